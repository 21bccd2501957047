"""Give back what was reserved for something that was refused."""

from typing import Literal

from pydantic import Field

from isthmus.access.reservations import release
from isthmus.failure import Unavailable
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Clock, Table


class ReleaseBudget(Request):
    """Whose reservation, and for what."""

    caller_id: str = Field(min_length=1, max_length=1_000, description="the DID or the id of the API key")
    intent: str = Field(pattern=r"^[\x21-\x7e]{1,128}$", description="what the money was reserved for")


class Release(Response):
    """What became of the reservation."""

    outcome: Literal["released", "settled", "nothing"] = Field(
        description="settled: money was spent and stays so; nothing: there was none, and there will be none"
    )


@operation(effect=Effect.CHANGE, errors=(Unavailable,))
def release_budget(request: ReleaseBudget, table: Table, clock: Clock) -> Release:
    """Give a reservation back after a definite refusal; a state machine's compensation, which may be repeated."""
    return Release(outcome=release(table, request.caller_id, request.intent, now_ms=clock.now_ms()))
