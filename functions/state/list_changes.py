"""What has changed since."""

from pydantic import Field

from isthmus import feed
from isthmus.failure import Unavailable
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Table


class ListChanges(Request):
    """Where to go on."""

    after: int = Field(default=0, ge=0, le=10**16 - 2, description="`next` of the answer before; 0 for all there is")
    limit: int = Field(default=100, ge=1, le=feed.MAX_READ, description="how many changes of all tenants to look at")


class Changed(Response):
    """One event."""

    number: int = Field(description="its place among all changes; grows with time")
    id: str = Field(description="the event's hash, the same wherever it is told")
    aggregate: str
    version: int
    type: str
    topic: str = Field(description="kind of aggregate and event, such as ledger.payment.succeeded")
    state: str = Field(description="after it")
    at_ms: int


class Changes(Response):
    """Changes in the order of the feed, each event of an aggregate after the one before."""

    changes: tuple[Changed, ...]
    next: int = Field(description="ask for it as `after`: nothing is left out and nothing comes twice")
    more: bool = Field(description="whether to ask again at once")


@operation("GET /v1/state/changes", effect=Effect.READ, errors=(Unavailable,))
def list_changes(request: ListChanges, caller: Caller, table: Table) -> Changes:
    """What happened to anything of the caller's tenant since a point that the caller remembers."""
    events = feed.read(table, after=request.after, limit=request.limit)
    mine = (one for one in events if one.tenant == caller.tenant)
    return Changes(
        changes=tuple(_changed(one) for one in mine),
        next=events[-1].number if events else request.after,
        more=len(events) == request.limit,
    )


def _changed(one: feed.Fed) -> Changed:
    names = Changed.model_fields.keys()
    return Changed(**{name: getattr(one, name) for name in names})
