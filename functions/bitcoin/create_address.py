"""An address to be paid at."""

from typing import Literal

from pydantic import Field

from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.views import Address, read
from isthmus.bitcoin.wallets import node_wallet, wallet_call
from isthmus.bitcoin.wanted import Label, WalletName
from isthmus.failure import NotFound, Precondition, Unavailable
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Caller

_TYPES = {"p2wpkh": "bech32", "p2tr": "bech32m", "p2sh-p2wpkh": "p2sh-segwit", "p2pkh": "legacy"}
"""The field's names of address types, and Bitcoin Core's."""


class CreateAddress(Request):
    """Of which wallet, and what kind."""

    wallet: WalletName
    type: Literal["p2wpkh", "p2tr", "p2sh-p2wpkh", "p2pkh"] = Field(default="p2wpkh")
    label: Label = Field(default="", description="shown beside what is paid to it")


class FreshAddress(Response):
    """An address that was never given out before."""

    address: Address
    type: str
    label: str


@operation(
    "POST /v1/bitcoin/wallets/{wallet}/addresses",
    effect=Effect.CHANGE,
    status=201,
    errors=(NotFound, Precondition, Unavailable),
)
def create_address(request: CreateAddress, caller: Caller, node: BitcoinNode) -> FreshAddress:
    """A fresh address of a wallet of the caller's tenant; each request gives another one.

    Raises:
        NotFound: there is no such wallet.
        Precondition: a watch-only wallet has no active descriptor for such addresses.
    """
    wallet = node_wallet(caller.tenant, request.wallet)
    found = wallet_call(within(node), wallet, "getnewaddress", request.label, _TYPES[request.type])
    return read(FreshAddress, {"address": found}, type=request.type, label=request.label)
