"""Give up what failed for good."""

from pydantic import Field

from isthmus.failure import Conflict, NotFound, Unavailable
from isthmus.faults import letters
from isthmus.faults.models import LetterView, OfLetter
from isthmus.operation import Effect, operation
from isthmus.ports import Clock, Table


class Discard(OfLetter):
    """Which letter, and why nobody repeats it."""

    reason: str = Field(min_length=1, max_length=500, description="why; kept with the letter for ninety days")


@operation("DELETE /v1/faults/letters/{letter_id}", effect=Effect.CHANGE, errors=(NotFound, Conflict, Unavailable))
def discard(request: Discard, table: Table, clock: Clock) -> LetterView:
    """Decide that an event is not repeated, and say why."""
    given_up = letters.discard(table, request.letter_id, request.reason, clock.now_ms())
    return LetterView.model_validate(given_up)
