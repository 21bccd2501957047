"""The coins of a wallet."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from isthmus.bitcoin.amounts import SatFromBtc
from isthmus.bitcoin.coins import coins, outpoint
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.payments import CONNECTOR
from isthmus.bitcoin.views import Address, Script, read
from isthmus.bitcoin.wallets import node_wallet
from isthmus.bitcoin.wanted import Outpoint, WalletName, label_shown
from isthmus.failure import NotFound, Precondition, Unavailable
from isthmus.fields import Request, Response, Sat, Txid
from isthmus.ledger.records import leased
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Caller, Table


class ListUnspent(Request):
    """Of which wallet, and which of its coins."""

    wallet: WalletName
    min_confirmations: int = Field(default=0, ge=0, le=1_000_000)
    min_amount_sat: Sat = Field(default=0, description="leave out smaller ones")
    after: Outpoint | None = Field(default=None, description="`next` of the page before")
    limit: int = Field(default=100, ge=1, le=500)


class Coin(Response):
    """One unspent output."""

    txid: Txid
    vout: int
    value_sat: SatFromBtc = Field(validation_alias="amount")
    confirmations: int
    address: Address | None = None
    script_pubkey: Script = Field(validation_alias="scriptPubKey")
    label: Annotated[str | None, BeforeValidator(label_shown)] = Field(None, description="null when it has none")
    safe: bool = Field(
        description="false while it waits and others could replace it; only payments that name it spend it"
    )
    leased: bool = Field(description="whether an unsettled payment holds it")


class Coins(Response):
    """A page of coins, by txid and output."""

    coins: list[Coin]
    n_found: int = Field(description="on all pages")
    total_sat: Sat = Field(description="on this page")
    next: str | None = Field(description="ask for it as `after`; null at the end")


@operation("GET /v1/bitcoin/wallets/{wallet}/unspent", effect=Effect.READ, errors=(NotFound, Precondition, Unavailable))
def list_unspent(request: ListUnspent, caller: Caller, node: BitcoinNode, table: Table) -> Coins:
    """The unspent outputs of a wallet of the caller's tenant, and which of them payments hold."""
    wallet, taken = node_wallet(caller.tenant, request.wallet), leased(table, CONNECTOR)
    least = {"min_confirmations": request.min_confirmations, "min_sat": request.min_amount_sat}
    found = coins(within(node), wallet, **least)
    rest = [one for one in found if request.after is None or _place(outpoint(one)) > _place(request.after)]
    page = [read(Coin, one, leased=outpoint(one) in taken) for one in rest[: request.limit]]
    return Coins(
        coins=page,
        n_found=len(found),
        total_sat=sum(one.value_sat for one in page),
        next=f"{page[-1].txid}:{page[-1].vout}" if len(rest) > len(page) else None,
    )


def _place(coin: str) -> tuple[str, int]:
    txid, _, vout = coin.partition(":")
    return txid, int(vout)
