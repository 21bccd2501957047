"""Keep the tables in step with the node's chain: new blocks and reorganisations."""

from typing import Literal

from isthmus.failure import Conflict, Precondition, Unavailable
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.pipeline import runs
from isthmus.pipeline.models import RunView
from isthmus.ports import BitcoinNode, Blobs, Clock, Executions, Table


class ReconcileChain(Request):
    """Nothing to say: the tables and the node say it all."""


class Reconciliation(Response):
    """What was found, and the run that was started or is still busy."""

    status: Literal["empty", "busy", "in-step", "waiting", "started"]
    run: RunView | None


@operation(
    "POST /v1/pipeline/reconcile",
    effect=Effect.CHANGE,
    schedule="rate(1 minute)",
    errors=(Conflict, Precondition, Unavailable),
)
def reconcile_chain(
    request: ReconcileChain, table: Table, blobs: Blobs, node: BitcoinNode, executions: Executions, clock: Clock
) -> Reconciliation:
    """Start a run when the node's chain has blocks that the tables lack, or no longer has some that they hold."""
    status, run = runs.reconcile(table, blobs, executions, clock, node)
    return Reconciliation(status=status, run=RunView.model_validate(run) if run else None)
