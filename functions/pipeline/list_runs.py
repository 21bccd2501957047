"""The runs of the chain pipeline."""

from pydantic import Field

from isthmus.failure import Unavailable
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.pipeline import runs
from isthmus.pipeline.models import RunId, RunView
from isthmus.ports import Table


class ListRuns(Request):
    """A page of runs."""

    limit: int = Field(default=20, ge=1, le=200, description="how many")
    before: RunId | None = Field(default=None, description="go on after this run: `next` of the page before")


class Runs(Response):
    """Runs, the newest first."""

    runs: tuple[RunView, ...]
    next: RunId | None


@operation("GET /v1/pipeline/runs", effect=Effect.READ, errors=(Unavailable,))
def list_runs(request: ListRuns, table: Table) -> Runs:
    """The newest runs first."""
    found, following = runs.newest(table, request.limit, request.before)
    return Runs(runs=tuple(RunView.model_validate(run) for run in found), next=following)
