"""Start a run of the chain pipeline over a range of heights."""

from pydantic import Field

from isthmus.failure import Conflict, Precondition, Unavailable
from isthmus.fields import Height, Request
from isthmus.operation import Effect, operation
from isthmus.pipeline import manifest, planning, runs
from isthmus.pipeline.models import RunView
from isthmus.ports import BitcoinNode, Blobs, Clock, Executions, Table


class StartRun(Request):
    """The heights to have in the tables."""

    from_height: Height = Field(default=0, description="first block")
    to_height: Height | None = Field(
        default=None, description="last block; without it: the tip, and every block to come"
    )


@operation("POST /v1/pipeline/runs", effect=Effect.CHANGE, errors=(Conflict, Precondition, Unavailable), status=202)
def start_run(
    request: StartRun, table: Table, blobs: Blobs, node: BitcoinNode, executions: Executions, clock: Clock
) -> RunView:
    """Collect what the tables lack of a range of heights; the same request while it runs is the same run."""
    chain = planning.look_at(node)
    planning.check_range(chain, request.from_height, request.to_height)
    last = chain.tip if request.to_height is None else request.to_height
    current, _ = manifest.load(blobs)
    plan = planning.plan(node, chain, current, (request.from_height, last), follow=request.to_height is None)
    return RunView.model_validate(runs.start(table, executions, clock, chain, plan))
