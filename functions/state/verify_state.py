"""Whether something is what its events say."""

from isthmus import journal, state
from isthmus.failure import Integrity, NotFound, Unavailable
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Table
from isthmus.state import AggregateName


class VerifyState(Request):
    """Which aggregate."""

    aggregate: AggregateName


class VerifiedState(Response):
    """The aggregate is what its events say, and these are whole."""

    aggregate: str
    version: int
    state: str
    hash: str


@operation("GET /v1/state/verify", effect=Effect.READ, errors=(Integrity, NotFound, Unavailable))
def verify_state(request: VerifyState, caller: Caller, table: Table) -> VerifiedState:
    """Read all events of an aggregate of the caller's tenant and compare: hashes, order, and what they come to.

    Raises:
        Integrity: an event is missing or was changed, or the head is not what the events give.
    """
    state.check_owner(table, caller.tenant, request.aggregate)
    head = journal.verify(table, request.aggregate)
    return VerifiedState(aggregate=head.aggregate, version=head.version, state=head.state, hash=head.hash)
