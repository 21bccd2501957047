"""What happened to something."""

from pydantic import Field

from isthmus import journal, state
from isthmus.failure import NotFound, Unavailable
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Table
from isthmus.state import AggregateName, EventView, event_view


class GetHistory(Request):
    """Which aggregate, and which page of its events."""

    aggregate: AggregateName
    after: int = Field(default=0, ge=0, le=10**12 - 1, description="`next` of the page before")
    limit: int = Field(default=100, ge=1, le=200)


class History(Response):
    """Events, oldest first."""

    aggregate: str
    events: tuple[EventView, ...]
    next: int | None = Field(description="ask for it as `after`; null at the end")


@operation("GET /v1/state/history", effect=Effect.READ, errors=(NotFound, Unavailable))
def get_history(request: GetHistory, caller: Caller, table: Table) -> History:
    """The events of an aggregate of the caller's tenant, in the order in which they happened."""
    state.check_owner(table, caller.tenant, request.aggregate)
    events = journal.history(table, request.aggregate, after=request.after, limit=request.limit + 1)
    shown = tuple(event_view(one) for one in events[: request.limit])
    return History(
        aggregate=request.aggregate, events=shown, next=shown[-1].version if len(events) > request.limit else None
    )
