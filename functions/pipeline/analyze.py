"""Stage 5: feerates and flows of the latest stored blocks."""

from isthmus.failure import Conflict, NotFound, Unavailable
from isthmus.operation import Effect, operation
from isthmus.pipeline import stages
from isthmus.pipeline.models import OfRun, RunView
from isthmus.ports import Blobs, Clock, Sql, Table


@operation(effect=Effect.CHANGE, errors=(NotFound, Conflict, Unavailable), timeout_s=900, memory_mb=3008)
def analyze(request: OfRun, table: Table, blobs: Blobs, sql: Sql, clock: Clock) -> RunView:
    """Write the tables of feerate percentiles and flows, and finish the run."""
    return RunView.model_validate(stages.analyze(table, blobs, sql, clock, request.run_id))
