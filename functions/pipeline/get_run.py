"""Where a run of the chain pipeline stands."""

from collections import Counter

from isthmus.failure import NotFound, Unavailable
from isthmus.operation import Effect, operation
from isthmus.pipeline import runs
from isthmus.pipeline.models import BatchView, OfRun, RunView
from isthmus.ports import Table

MAX_SHOWN = 50


class RunDetails(RunView):
    """One run with its progress."""

    progress: dict[str, int]
    verdicts: dict[str, int]
    transactions: int
    bytes: int
    parked: tuple[BatchView, ...]


@operation("GET /v1/pipeline/runs/{run_id}", effect=Effect.READ, errors=(NotFound, Unavailable))
def get_run(request: OfRun, table: Table) -> RunDetails:
    """How far a run is: batches by status and verdict, what is stored, and the first 50 batches that do not go on."""
    run = runs.find(table, request.run_id)
    batches = runs.batches(table, request.run_id)
    segments = [batch.segment for batch in batches if batch.segment]
    ended = run.status != "running"
    stuck = [
        b for b in batches if b.reason or b.status in ("refused", "quarantined") or (ended and b.status != "stored")
    ]
    return RunDetails(
        **RunView.model_validate(run).model_dump(),
        progress=Counter(batch.status for batch in batches),
        verdicts=Counter(batch.verdict for batch in batches if batch.verdict),
        transactions=sum(segment["transactions"] for segment in segments),
        bytes=sum(segment["bytes"] for segment in segments),
        parked=tuple(BatchView.model_validate(batch) for batch in stuck[:MAX_SHOWN]),
    )
