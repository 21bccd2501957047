"""Be told what becomes of an address, a descriptor or a transaction."""

from isthmus.bitcoin import watching
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.watch_views import WantedWatch, WatchView, view
from isthmus.failure import Conflict, Integrity, Limited, Precondition, Unavailable
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Caller, Clock, Table


@operation(
    "POST /v1/bitcoin/watches",
    effect=Effect.CHANGE,
    status=201,
    errors=(Limited, Precondition, Conflict, Integrity, Unavailable),
)
def watch(request: WantedWatch, caller: Caller, node: BitcoinNode, table: Table, clock: Clock) -> WatchView:
    """Watch an address, a descriptor or a txid: what happens to it comes as events; the same watch again is the same.

    Events say when a transaction waits, is confirmed, is settled, and when a reorganisation takes that back. What
    spends coins that an address had before is seen if `since_s` says from when on to look, which may take longer than
    the request: the node goes on by itself, and the same request says when it is done.

    Raises:
        Limited: the tenant has as many watches as it may have.
        Precondition: the node has pruned the block that is named.
        Conflict: the watch is being changed by others at this moment.
        Integrity: the node takes the address for another script than its form says.
        Unavailable: the node is still looking through the chain.
    """
    made = watching.watch(table, within(node), caller, request, clock.now_ms())
    return view(table, made)
