"""Be told no more."""

from isthmus.bitcoin import watching
from isthmus.bitcoin.watch_views import OfWatch, WatchView, view
from isthmus.failure import Conflict, NotFound, Unavailable
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Table


@operation("DELETE /v1/bitcoin/watches/{watch_id}", effect=Effect.CHANGE, errors=(NotFound, Conflict, Unavailable))
def unwatch(request: OfWatch, caller: Caller, table: Table) -> WatchView:
    """Take a watch of the caller's tenant back: nothing that happens from now on makes an event for it.

    Raises:
        NotFound: there is no such watch.
        Conflict: it was changed at this moment.
    """
    return view(table, watching.unwatch(table, caller.tenant, request.watch_id))
