"""Asking all neighbours at once how they are, each within the same few seconds."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Literal

from isthmus.failure import Failure

Status = Literal["up", "degraded", "down"]
Check = Callable[[], str | None]
"""Returns None when all is well, or the code of what is less than well; raises a failure when nothing works."""

DEADLINE_S = 4.0
PASSING = frozenset({"bitcoin/warming-up", "bitcoin/syncing", "bitcoin/node-busy"})
"""Failures that end by themselves: the neighbour is there, but not ready."""

_WORST: tuple[Status, ...] = ("down", "degraded", "up")


@dataclass(frozen=True)
class Neighbour:
    """How one neighbour is, how long it took to say so, and the code of what is wrong."""

    status: Status
    latency_ms: int
    reason: str | None = None


def ask(checks: Mapping[str, Check], deadline_s: float = DEADLINE_S) -> dict[str, Neighbour]:
    """Make all checks at the same time; one that has not answered at the deadline is left alone and counts as down."""
    pool = ThreadPoolExecutor(max_workers=max(1, len(checks)), thread_name_prefix="health")
    try:
        asked = {name: pool.submit(_checked, check) for name, check in checks.items()}
        wait(asked.values(), timeout=deadline_s)
        return {name: _answer(future, deadline_s) for name, future in asked.items()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def worst(neighbours: Mapping[str, Neighbour]) -> Status:
    """The state of the whole: that of its weakest neighbour."""
    states = {neighbour.status for neighbour in neighbours.values()}
    return next((status for status in _WORST if status in states), "up")


def _checked(check: Check) -> Neighbour:
    started = time.perf_counter_ns()
    status: Status
    try:
        reason = check()
        status = "up" if reason is None else "degraded"
    except Failure as failure:
        reason = failure.code or failure.kind
        status = "degraded" if reason in PASSING else "down"
    return Neighbour(status, (time.perf_counter_ns() - started) // 1_000_000, reason)


def _answer(future: "Future[Neighbour]", deadline_s: float) -> Neighbour:
    if not future.done():
        return Neighbour("down", int(deadline_s * 1000), "platform/no-answer")
    return future.result()
