"""Write down why a batch does not go on, when its stage could not."""

from pydantic import Field

from isthmus.failure import NotFound, Unavailable
from isthmus.operation import Effect, operation
from isthmus.pipeline import stages
from isthmus.pipeline.models import BatchView, OfBatch
from isthmus.ports import Table


class Park(OfBatch):
    """The batch, and what the state machine caught."""

    error: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_.]{0,127}$", description="the error's name in the state machine")


@operation(effect=Effect.CHANGE, errors=(NotFound, Unavailable))
def park(request: Park, table: Table) -> BatchView:
    """Leave a batch with a reason: the stage's own, or that it ended without one, out of time or memory."""
    return BatchView.model_validate(stages.park(table, request.run_id, request.first, request.error))
