"""Stage 2: check what was collected against the rules of the chain."""

from isthmus.failure import Conflict, NotFound, Unavailable
from isthmus.operation import Effect, operation
from isthmus.pipeline import stages
from isthmus.pipeline.models import BatchView, OfBatch
from isthmus.ports import Blobs, Sql, Table


@operation(effect=Effect.CHANGE, errors=(NotFound, Conflict, Unavailable), timeout_s=900, memory_mb=3008)
def validate(request: OfBatch, table: Table, blobs: Blobs, sql: Sql) -> BatchView:
    """Check a batch: merkle root, links, weight, time, fees; a verdict of block or quarantine parks it."""
    return BatchView.model_validate(stages.validate(table, blobs, sql, request.run_id, request.first))
