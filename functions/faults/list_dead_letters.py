"""The events on which functions failed for good."""

from pydantic import Field

from isthmus.failure import Unavailable
from isthmus.faults import letters
from isthmus.faults.letters import State
from isthmus.faults.models import LetterView
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Clock, Table


class ListDeadLetters(Request):
    """Which letters."""

    state: State | None = Field(default=None, description="only these")
    limit: int = Field(default=50, ge=1, le=200, description="how many")


class DeadLetters(Response):
    """Letters, those that failed last first."""

    letters: tuple[LetterView, ...]
    total: int = Field(description="how many there are of this state")


@operation("GET /v1/faults/letters", effect=Effect.READ, errors=(Unavailable,))
def list_dead_letters(request: ListDeadLetters, table: Table, clock: Clock) -> DeadLetters:
    """The scheduled events on which a function failed for good, and what became of them."""
    found = [one for one in letters.everything(table, clock.now_ms()) if request.state in (None, one.state)]
    shown = tuple(LetterView.model_validate(one) for one in found[: request.limit])
    return DeadLetters(letters=shown, total=len(found))
