"""Runs of the pipeline: their records, and where their batches stand.

A run belongs to one record under `pipeline/runs`; each of its batches is one item under `pipeline/run/<run_id>`. The
plan is always the difference between what the tables should hold and what they hold, so a run that was cut short is
finished by planning again.
"""

from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any, Literal

from isthmus.failure import Conflict, NotFound
from isthmus.pipeline import manifest
from isthmus.pipeline.planning import MAX_BATCHES, Chain, Plan, look_at, plan
from isthmus.ports import BitcoinNode, Blobs, Clock, Executions, Table
from isthmus.storage.table import Absent, Condition, Equals, Put, version

MACHINE = "pipeline"
RUNS = "pipeline/runs"
DIGEST = 12
LONGEST_WAIT_MS = 3_600_000
RunStatus = Literal["running", "complete", "parked", "failed"]
BatchStatus = Literal["planned", "collected", "validated", "refused", "quarantined", "processed", "stored"]


@dataclass(frozen=True)
class Run:
    """The record of one run; times in milliseconds since the epoch."""

    run_id: str
    status: RunStatus
    chain: str
    genesis: str
    first: int
    last: int
    follow_from: int | None
    batches: int
    retract: tuple[str, ...]
    remaining: int
    started_ms: int
    finished_ms: int | None = None
    manifest_version: int | None = None
    note: str = ""
    analysis: dict[str, Any] | None = None
    attempt: int = 1
    version: int = 1


@dataclass(frozen=True)
class Batch:
    """Where one window of a run stands; `reason` says why it does not go on."""

    first: int
    last: int
    status: BatchStatus = "planned"
    segment: dict[str, Any] | None = None
    verdict: str = ""
    findings: tuple[dict[str, Any], ...] = ()
    reason: dict[str, str] | None = None


def start(table: Table, executions: Executions, clock: Clock, chain: Chain, plan: Plan) -> Run:
    """Record a run and start its execution; the same plan while it runs is the same run.

    Raises:
        Conflict: another run is not finished.
    """
    active = table.get(RUNS, "active")
    current = refreshed(table, executions, clock, str(active["run_id"])) if active else None
    run_id = _run_id(_digest(chain, plan), current)
    if current is not None and current.status == "running":
        return _joined(table, executions, current, run_id)
    run = Run(
        run_id=run_id,
        status="running",
        chain=chain.name,
        genesis=chain.genesis,
        first=plan.first,
        last=plan.last,
        follow_from=plan.follow_from,
        batches=len(plan.batches),
        retract=plan.retract,
        remaining=plan.remaining,
        started_ms=clock.now_ms(),
        attempt=current.attempt + 1 if current and current.run_id.endswith(run_id[-DIGEST:]) else 1,
    )
    for window in plan.batches:
        with suppress(Conflict):  # an earlier start has put it, or one at this moment whose stages move it on already
            put_batch(table, run_id, Batch(window.first, window.last), when=Absent())
    condition = version(int(active["version"])) if active else Absent()
    pointer = {"run_id": run_id, "version": int(active["version"]) + 1 if active else 1}
    try:
        table.transact(
            [Put(RUNS, "active", pointer, when=condition), Put(RUNS, _sort_key(run_id), _run_item(run), when=Absent())]
        )
    except Conflict:  # somebody else started a run at this moment
        [run], _ = newest(table, 1, None)
    return _joined(table, executions, run, run_id)


def _joined(table: Table, executions: Executions, run: Run, run_id: str) -> Run:
    """The recorded run with its execution started, if it is the one that was asked for."""
    if run.run_id != run_id:
        raise Conflict(
            f"The run {run.run_id} is not finished.",
            next_step="Wait for it (`get_run`), then start this one.",
            code="pipeline/busy",
        )
    executions.start(MACHINE, run_id, _payload(table, run_id))
    return run


def _digest(chain: Chain, plan: Plan) -> str:
    return sha256(repr((chain.genesis, plan)).encode()).hexdigest()[:DIGEST]


def _run_id(digest: str, current: Run | None) -> str:
    """A number that grows with every run, so that names sort by time, and the plan; the running plan keeps its name."""
    if current is None:
        return f"{1:08d}-{digest}"
    number, digest_before = current.run_id.split("-")
    if current.status == "running" and digest == digest_before:
        return current.run_id
    return f"{int(number) + 1:08d}-{digest}"


def _sort_key(run_id: str) -> str:
    return f"run#{run_id}"


def _payload(table: Table, run_id: str) -> dict[str, Any]:
    return {"run_id": run_id, "batches": [{"first": b.first, "last": b.last} for b in batches(table, run_id)]}


def reconcile(
    table: Table, blobs: Blobs, executions: Executions, clock: Clock, node: BitcoinNode
) -> tuple[Literal["empty", "busy", "in-step", "waiting", "started"], Run | None]:
    """Bring the tables in step with the node's chain: new blocks where they are followed, and every reorganisation.

    What could not be collected is tried again after one minute, two, four and so on, up to an hour.

    Raises:
        Unavailable: the node or the store does not answer.
        Precondition: the node is syncing or on another chain.
    """
    active = table.get(RUNS, "active")
    current = refreshed(table, executions, clock, str(active["run_id"])) if active else None
    if current is not None and current.status == "running":
        executions.start(MACHINE, current.run_id, _payload(table, current.run_id))
        return "busy", current
    stored, _ = manifest.load(blobs)
    wishes = [wish.follow_from for wish in (stored, current) if wish and wish.follow_from is not None]
    if stored is None and not wishes:
        return "empty", None
    chain = look_at(node)
    follow = [(wish, chain.tip) for wish in wishes if wish <= chain.tip]
    wanted = plan(node, chain, stored, min(follow, default=None), follow=bool(follow))
    if not wanted.batches and not wanted.retract:
        return "in-step", None
    if current and current.finished_ms and current.run_id.endswith(_digest(chain, wanted)):
        wait_ms = min(60_000 * 2 ** min(current.attempt - 1, 10), LONGEST_WAIT_MS)
        if clock.now_ms() < current.finished_ms + wait_ms:
            return "waiting", current
    return "started", start(table, executions, clock, chain, wanted)


def refreshed(table: Table, executions: Executions, clock: Clock, run_id: str) -> Run:
    """The run, marked as failed when its execution ended without finishing it."""
    run = find(table, run_id)
    if run.status != "running" or executions.status(MACHINE, run_id) in (None, "RUNNING"):
        return run
    note = "The execution ended before the run was finished; start it again to go on where it stopped."
    with suppress(Conflict):  # somebody else sees it at this moment
        return finish(table, clock, find(table, run_id), status="failed", note=note)
    return find(table, run_id)


def finish(table: Table, clock: Clock, run: Run, **changes: Any) -> Run:
    """Write the run's end; a run that has ended stays as it is.

    Raises:
        Conflict: somebody else changed the record meanwhile.
    """
    if run.status != "running":
        return run
    ended = replace(run, finished_ms=clock.now_ms(), version=run.version + 1, **changes)
    table.put(RUNS, _sort_key(run.run_id), _run_item(ended), when=version(run.version))
    return ended


def update(table: Table, run: Run, **changes: Any) -> Run:
    """Write a change of a running run."""
    changed = replace(run, version=run.version + 1, **changes)
    table.put(RUNS, _sort_key(run.run_id), _run_item(changed), when=version(run.version))
    return changed


def find(table: Table, run_id: str) -> Run:
    """One run.

    Raises:
        NotFound: there is no such run.
    """
    item = table.get(RUNS, _sort_key(run_id))
    if item is None:
        raise NotFound("There is no such run.", next_step="`list_runs` shows those there are.", code="pipeline/run")
    return _run(item)


def newest(table: Table, limit: int, before: str | None) -> tuple[list[Run], str | None]:
    """The newest runs first, and the id to go on before."""
    after = _sort_key(before) if before else None
    page = table.query(RUNS, prefix="run#", after=after, limit=limit, reverse=True)
    runs = [_run(row.item) for row in page.rows]
    return runs, runs[-1].run_id if page.after and runs else None


def batches(table: Table, run_id: str) -> list[Batch]:
    """All batches of a run in the order of their heights."""
    page = table.query(f"pipeline/run/{run_id}", prefix="batch#", limit=MAX_BATCHES)
    return [_batch(row.item) for row in page.rows]


def batch(table: Table, run_id: str, first: int) -> Batch:
    """One batch.

    Raises:
        NotFound: the run has no batch that starts there.
    """
    item = table.get(f"pipeline/run/{run_id}", f"batch#{first:010d}")
    if item is None:
        raise NotFound("The run has no such batch.", next_step="Start stages from the state machine only.")
    return _batch(item)


def put_batch(table: Table, run_id: str, batch: Batch, *, when: Condition | None = None) -> None:
    """Write where a batch stands."""
    item = asdict(batch) | {"findings": list(batch.findings)}
    table.put(f"pipeline/run/{run_id}", f"batch#{batch.first:010d}", item, when=when)


def advance(table: Table, run_id: str, before: Batch, **changes: Any) -> Batch:
    """Write where a batch stands now; where somebody else has moved it on meanwhile, it stands where they say."""
    after = replace(before, **changes)
    try:
        put_batch(table, run_id, after, when=Equals("status", before.status))
    except Conflict:
        return batch(table, run_id, before.first)
    return after


def _run_item(run: Run) -> dict[str, Any]:
    return asdict(run) | {"retract": list(run.retract)}


def _run(item: dict[str, Any]) -> Run:
    return Run(**item | {"retract": tuple(item["retract"])})


def _batch(item: dict[str, Any]) -> Batch:
    return Batch(**item | {"findings": tuple(item["findings"])})
