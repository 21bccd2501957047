"""Keep what failed for good."""

from typing import Any

from pydantic import Field

from isthmus.failure import Conflict, Unavailable
from isthmus.faults import letters
from isthmus.faults.letters import Record
from isthmus.faults.models import LetterView
from isthmus.fields import Request
from isthmus.operation import Effect, operation
from isthmus.ports import Clock, Table


class KeepLetter(Request):
    """What Lambda says of an asynchronous event on which a function failed for good."""

    id: str = Field(max_length=128, description="the id of the invocation")
    function_arn: str = Field(max_length=512)
    reason: str = Field(max_length=64, description="RetriesExhausted or EventAgeExceeded")
    attempts: int = Field(ge=0, le=10_000, description="how often the function was invoked")
    event: Any = Field(description="what the function was given")
    error: str = Field(max_length=1024, description="the type of the last error, empty if none was returned")


@operation(effect=Effect.CHANGE, service="dead-letters", errors=(Conflict, Unavailable))
def keep_letter(request: KeepLetter, table: Table, clock: Clock) -> LetterView:
    """Keep an event on which a function failed for good; the same one twice is one letter."""
    record = Record(
        request.id, request.function_arn, request.event, request.error, request.reason, attempts=request.attempts
    )
    return LetterView.model_validate(letters.keep(table, record, clock.now_ms()))
