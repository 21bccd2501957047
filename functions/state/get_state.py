"""What something is now, or was."""

from pydantic import Field

from isthmus import journal, state
from isthmus.failure import Integrity, NotFound, Unavailable
from isthmus.fields import Request
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Table
from isthmus.state import AggregateName, StateView, no_aggregate, view


class GetState(Request):
    """Which aggregate; its name has slashes, so it stands in the query string."""

    aggregate: AggregateName
    version: int | None = Field(default=None, ge=1, le=10**12 - 1, description="as it was after so many events")


@operation("GET /v1/state", effect=Effect.READ, errors=(NotFound, Integrity, Unavailable))
def get_state(request: GetState, caller: Caller, table: Table) -> StateView:
    """An aggregate of the caller's tenant as it is now, or as it was after some of its events."""
    state.check_owner(table, caller.tenant, request.aggregate)
    if request.version is None:
        head = journal.load(table, request.aggregate)
    else:
        head = journal.folded(table, request.aggregate, until=request.version)
    if head is None or request.version not in (None, head.version):
        raise no_aggregate()
    return view(head)
