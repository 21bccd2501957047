"""A wallet of the node."""

from pydantic import Field

from isthmus.access.caller import MAIN_TENANT
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
    external_signer: bool = Field(
        default=False,
        description="with the addresses of the node's signing device, which then signs what the wallet pays; implies "
        "watch_only. The device is the main tenant's",
    )

    def for_tenant(self) -> str | None:
        """Whoever creates such a wallet can ask the node's device for signatures."""
        return MAIN_TENANT if self.external_signer else None


class WalletView(Response):
    """The wallet."""

    name: str
    watch_only: bool
    external_signer: bool


@operation(
    "POST /v1/bitcoin/wallets",
    effect=Effect.CHANGE,
    status=201,
    errors=(Conflict, Limited, Precondition, Unavailable),
)
def create_wallet(request: CreateWallet, caller: Caller, node: BitcoinNode) -> WalletView:
    """Make a descriptor wallet of the caller's tenant on the node; the same request again finds it made.

    Its keys never leave the node, or the device: back up the node's wallet folder.

    Raises:
        Conflict: there is a wallet of this name and of another kind, or one that the device gave no keys for.
        Limited: the tenant has as many wallets as it may have.
        Precondition: there is no signing device, or several, or it did not answer in time.
    """
    watch_only = request.watch_only or request.external_signer
    make_wallet(within(node), caller.tenant, request.name, watch_only=watch_only, on_device=request.external_signer)
    return WalletView(name=request.name, watch_only=watch_only, external_signer=request.external_signer)
