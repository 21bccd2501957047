"""What is watched."""

from pydantic import Field

from isthmus.bitcoin import watches
from isthmus.bitcoin.watch_views import WatchId, WatchView, view
from isthmus.failure import Unavailable
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Table


class ListWatches(Request):
    """Which page."""

    after: WatchId | None = Field(default=None, description="`next` of the page before")
    limit: int = Field(default=50, ge=1, le=200)


class Watches(Response):
    """Watches by id."""

    watches: tuple[WatchView, ...]
    next: str | None = Field(description="ask for it as `after`; null at the end")


@operation("GET /v1/bitcoin/watches", effect=Effect.READ, errors=(Unavailable,))
def list_watches(request: ListWatches, caller: Caller, table: Table) -> Watches:
    """The watches of the caller's tenant, those of txids with where the transaction is."""
    found, after = watches.page(table, caller.tenant, after=request.after, limit=request.limit)
    return Watches(watches=tuple(view(table, one) for one in found), next=after)
