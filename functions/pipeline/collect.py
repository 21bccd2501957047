"""Stage 1: fetch a batch's blocks from the node and store them as columns."""

from isthmus.failure import Conflict, Integrity, NotFound, Precondition, Unavailable
from isthmus.operation import Effect, operation
from isthmus.pipeline import stages
from isthmus.pipeline.models import BatchView, OfBatch
from isthmus.ports import BitcoinNode, Blobs, Sql, Table


@operation(
    effect=Effect.CHANGE,
    errors=(NotFound, Conflict, Precondition, Integrity, Unavailable),
    timeout_s=900,
    memory_mb=3008,
)
def collect(request: OfBatch, table: Table, blobs: Blobs, node: BitcoinNode, sql: Sql) -> BatchView:
    """Fetch a batch's blocks and store them as one segment named by its last block."""
    return BatchView.model_validate(stages.collect(table, blobs, node, sql, request.run_id, request.first))
