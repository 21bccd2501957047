"""Have a watch-only wallet see addresses whose keys are elsewhere."""

from pydantic import Field

from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.descriptors import Watched, watch
from isthmus.bitcoin.wallets import node_wallet
from isthmus.bitcoin.wanted import WalletName
from isthmus.failure import Limited, NotFound, Precondition, Unavailable
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Caller, Clock, Table


class WatchedDescriptor(Request):
    """One public output descriptor."""

    descriptor: str = Field(min_length=4, max_length=2000, description="BIP 380, without private keys")
    range_end: int = Field(default=1000, ge=0, le=10_000, description="the last index of a ranged descriptor")
    active: bool = Field(default=False, description="whether create_address takes its addresses from it")
    change: bool = Field(default=False, description="whether it is for change")
    since_s: int | None = Field(
        default=None, ge=0, le=2**32 - 1, description="Unix time of its first use; null when it was never used"
    )


class ImportDescriptors(Request):
    """Into which wallet, and which ones."""

    wallet: WalletName
    descriptors: list[WatchedDescriptor] = Field(min_length=1, max_length=20)


class Imported(Response):
    """What the wallet sees now."""

    wallet: str
    imported: int


@operation(
    "POST /v1/bitcoin/wallets/{wallet}/descriptors",
    effect=Effect.CHANGE,
    errors=(NotFound, Precondition, Limited, Unavailable),
)
def import_descriptors(
    request: ImportDescriptors, caller: Caller, node: BitcoinNode, table: Table, clock: Clock
) -> Imported:
    """Import public descriptors into a watch-only wallet; the same request again changes nothing.

    With `since_s` the node looks through the chain from then on, which may take longer than the request: it goes on by
    itself, and the same request says when it is done.

    Raises:
        NotFound: there is no such wallet.
        Precondition: the wallet has private keys; or the node has pruned blocks since `since_s`.
        Limited: the wallet has as many descriptors as it may have.
        Unavailable: the node is still looking through the chain.
    """
    watched = [
        Watched(one.descriptor, one.range_end, one.active, one.change, one.since_s) for one in request.descriptors
    ]
    watch(table, within(node), node_wallet(caller.tenant, request.wallet), watched, clock.now_ms())
    return Imported(wallet=request.wallet, imported=len(watched))
