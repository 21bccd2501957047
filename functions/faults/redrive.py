"""Repeat what failed for good."""

from isthmus.failure import Conflict, NotFound, Precondition, Unavailable
from isthmus.faults import letters
from isthmus.faults.models import LetterView, OfLetter
from isthmus.operation import Effect, operation
from isthmus.ports import Clock, Functions, Table


@operation(
    "POST /v1/faults/letters/{letter_id}/redrive",
    effect=Effect.CHANGE,
    errors=(NotFound, Conflict, Precondition, Unavailable),
    status=202,
)
def redrive(request: OfLetter, table: Table, functions: Functions, clock: Clock) -> LetterView:
    """Give the same function the same event again; when it fails again, the letter waits again."""
    sent = letters.redrive(table, functions.start, request.letter_id, clock.now_ms())
    return LetterView.model_validate(sent)
