"""Make something what its events say."""

from isthmus import journal, state
from isthmus.failure import Conflict, Integrity, NotFound, Unavailable
from isthmus.fields import Request
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Table
from isthmus.state import AggregateName, StateView, view


class RebuildState(Request):
    """Which aggregate."""

    aggregate: AggregateName


@operation("POST /v1/state/rebuild", effect=Effect.CHANGE, errors=(Conflict, Integrity, NotFound, Unavailable))
def rebuild_state(request: RebuildState, caller: Caller, table: Table) -> StateView:
    """Write the head of an aggregate anew from its events; what is right already stays as it is.

    Raises:
        Integrity: the chain of events itself is broken; nothing was written.
    """
    state.check_owner(table, caller.tenant, request.aggregate)
    return view(journal.rebuild(table, request.aggregate))
