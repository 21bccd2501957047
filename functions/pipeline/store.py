"""Stage 4: make a run's batches part of the chain's tables, in one commit."""

from isthmus.failure import Conflict, NotFound, Unavailable
from isthmus.operation import Effect, operation
from isthmus.pipeline import stages
from isthmus.pipeline.models import OfRun, RunView
from isthmus.ports import Blobs, Table


@operation(effect=Effect.CHANGE, errors=(NotFound, Conflict, Unavailable), timeout_s=300)
def store(request: OfRun, table: Table, blobs: Blobs) -> RunView:
    """Append what was processed and retract what the chain no longer has, in one manifest commit."""
    return RunView.model_validate(stages.store(table, blobs, request.run_id))
