"""Let requests through again."""

from pydantic import Field

from isthmus.failure import NotFound, Unavailable
from isthmus.faults.breaker import PARTITION
from isthmus.faults.gate import move
from isthmus.faults.models import BreakerView
from isthmus.fields import Request
from isthmus.operation import Effect, operation
from isthmus.ports import Clock, Table


class ResetBreaker(Request):
    """Which breaker."""

    neighbour: str = Field(pattern=r"^(spend:)?[a-z][a-z0-9-]{0,63}$", description="its name, as `list_breakers` says")


@operation("POST /v1/faults/breakers/{neighbour}/reset", effect=Effect.CHANGE, errors=(NotFound, Unavailable))
def reset_breaker(request: ResetBreaker, table: Table, clock: Clock) -> BreakerView:
    """Close a breaker, or release a brake, before it does so by itself, which a brake never does."""
    if table.get(PARTITION, request.neighbour) is None:
        raise NotFound(
            "There is no such breaker.", next_step="`list_breakers` lists those there are.", code="faults/breaker"
        )
    return BreakerView.of(request.neighbour, move(table, request.neighbour, "reset", clock.now_ms()))
