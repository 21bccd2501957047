"""A wallet of the node."""

from pydantic import Field

from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.wallets import WALLET_NAME, make_wallet
from isthmus.failure import Conflict, Limited, Precondition, Unavailable
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Caller


class CreateWallet(Request):
    """Which wallet."""

    name: str = Field(pattern=WALLET_NAME)
    watch_only: bool = Field(default=False, description="without private keys: it sees what import_descriptors names")


class WalletView(Response):
    """The wallet."""

    name: str
    watch_only: bool


@operation(
    "POST /v1/bitcoin/wallets",
    effect=Effect.CHANGE,
    status=201,
    errors=(Conflict, Limited, Precondition, Unavailable),
)
def create_wallet(request: CreateWallet, caller: Caller, node: BitcoinNode) -> WalletView:
    """Make a descriptor wallet of the caller's tenant on the node; the same request again finds it made.

    Its keys never leave the node: back up the node's wallet folder.

    Raises:
        Conflict: there is a wallet of this name and of the other kind.
        Limited: the tenant has as many wallets as it may have.
    """
    make_wallet(within(node), caller.tenant, request.name, watch_only=request.watch_only)
    return WalletView(name=request.name, watch_only=request.watch_only)
