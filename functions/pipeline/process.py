"""Stage 3: derive a batch's statistics."""

from isthmus.failure import Conflict, NotFound, Unavailable
from isthmus.operation import Effect, operation
from isthmus.pipeline import stages
from isthmus.pipeline.models import BatchView, OfBatch
from isthmus.ports import Blobs, Sql, Table


@operation(effect=Effect.CHANGE, errors=(NotFound, Conflict, Unavailable), timeout_s=900, memory_mb=3008)
def process(request: OfBatch, table: Table, blobs: Blobs, sql: Sql) -> BatchView:
    """Derive one row of feerate percentiles and totals per block of a batch."""
    return BatchView.model_validate(stages.process(table, blobs, sql, request.run_id, request.first))
