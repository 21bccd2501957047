"""What the pipeline's operations are asked and answer."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from isthmus.fields import Height, Request, Response, Sat

RunId = Annotated[str, Field(pattern=r"^[0-9]{8}-[0-9a-f]{12}$", description="the run's id")]


class OfRun(Request):
    """A stage for a whole run."""

    run_id: RunId


class OfBatch(OfRun):
    """A stage for the batch of a run that starts at a height."""

    first: Height


class Reason(Response):
    """Why a batch does not go on."""

    model_config = ConfigDict(from_attributes=True)

    stage: str
    kind: str
    code: str
    detail: str


class Finding(Response):
    """One check that did not pass."""

    height: Height
    check: str
    verdict: Literal["pass", "warn", "quarantine", "block"]
    detail: str


class BatchView(Response):
    """Where one batch stands."""

    model_config = ConfigDict(from_attributes=True, extra="ignore")

    first: Height
    last: Height
    status: Literal["planned", "collected", "validated", "refused", "quarantined", "processed", "stored"]
    verdict: str
    findings: tuple[Finding, ...]
    reason: Reason | None


class AnalysisTotals(Response):
    """The latest stored blocks in sum."""

    manifest_version: int
    first: Height
    last: Height
    blocks: int
    payments: int
    fees_sat: Sat


class RunView(Response):
    """One run; times in milliseconds since the epoch."""

    model_config = ConfigDict(from_attributes=True, extra="ignore")

    run_id: RunId
    status: Literal["running", "complete", "parked", "failed"]
    chain: str
    first: Height
    last: Height
    follow_from: Height | None
    batches: int
    remaining: int = Field(description="batches beyond this run's limit: start another run for them")
    started_ms: int
    finished_ms: int | None
    manifest_version: int | None
    note: str
    analysis: AnalysisTotals | None
