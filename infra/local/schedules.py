"""The scheduler: runs what is due, remembers in SQLite what is due next, and loses nothing to a restart.

A run is claimed together with the next due time before it starts, and the claim is dropped when it ended: a run that a
crash interrupted is repeated under the same id, one that ended is not. What was missed while nothing ran is caught up
once. A schedule whose last run has not ended skips what comes due meanwhile.
"""

import asyncio
import contextlib
import sqlite3
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from infra.local.expand import Schedule
from infra.local.timetable import Timetable, next_due, parse

_LONGEST_SLEEP_S = 30.0
_NAMESPACE = uuid.UUID("7e1d8a52-55a5-4f0e-9b1b-1c64a1f6e3a7")
_TABLE = """
CREATE TABLE IF NOT EXISTS schedules (
    name TEXT PRIMARY KEY,
    expression TEXT NOT NULL,
    next_due REAL,
    claimed REAL,
    last_due REAL,
    last_error TEXT
) STRICT
"""


@dataclass(frozen=True)
class Run:
    """One due run; the id is the same when it is repeated."""

    schedule: Schedule
    due: float
    id: str


@dataclass(frozen=True)
class Standing:
    """Where a schedule stands; times are seconds since the epoch."""

    name: str
    expression: str
    next_due: float | None
    running_since: float | None
    last_due: float | None
    last_error: str | None


class Scheduler:
    """Runs schedules.

    Args:
        database: the SQLite file.
        schedules: what there is; rows of schedules that are gone are dropped.
        run: runs one, and returns the name of the error it ended with, or None.
        now: seconds since the epoch.

    Raises:
        ExpressionError: a schedule's expression is not valid.
    """

    def __init__(
        self,
        database: Path,
        schedules: Iterable[Schedule],
        run: Callable[[Run], Awaitable[str | None]],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._run, self._now = run, now
        self._schedules = {schedule.name: schedule for schedule in schedules}
        self._timetables: dict[str, Timetable] = {
            name: parse(schedule.expression) for name, schedule in self._schedules.items()
        }
        self._running: dict[str, asyncio.Task[None]] = {}
        database.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(database, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(_TABLE)
        self._register()

    def tick(self) -> float | None:
        """Start what is due; the moment when to look again, or None when nothing will ever be due."""
        now = self._now()
        for standing in self.standings():
            if standing.name in self._running:
                if standing.next_due is not None and standing.next_due <= now:
                    self._set_next(standing.name, self._after(standing.name, standing.next_due, now))
            elif standing.running_since is not None:
                self._start(standing.name, standing.running_since)
            elif standing.next_due is not None and standing.next_due <= now:
                self._claim(standing.name, standing.next_due, now)
                self._start(standing.name, standing.next_due)
        due = [standing.next_due for standing in self.standings() if standing.next_due is not None]
        return min(due, default=None)

    async def serve(self) -> None:
        """Tick for ever; short sleeps, so that a clock that jumps or a machine that slept is noticed."""
        while True:
            due = self.tick()
            wait_s = _LONGEST_SLEEP_S if due is None else due - self._now()
            await asyncio.sleep(min(max(wait_s, 0.0), _LONGEST_SLEEP_S))

    def standings(self) -> list[Standing]:
        """Every schedule, by name."""
        rows = self._connection.execute(
            "SELECT name, expression, next_due, claimed, last_due, last_error FROM schedules ORDER BY name"
        )
        return [Standing(*row) for row in rows]

    async def idle(self) -> None:
        """Wait until every run that has started has ended."""
        while self._running:
            await asyncio.wait(self._running.values())

    async def close(self) -> None:
        """Stop; runs that have not ended are left claimed and repeated at the next start."""
        for task in list(self._running.values()):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._connection.close()

    def _register(self) -> None:
        known = {standing.name: standing for standing in self.standings()}
        for name in known.keys() - self._schedules.keys():
            self._connection.execute("DELETE FROM schedules WHERE name = ?", (name,))
        for name, schedule in self._schedules.items():
            if name not in known or known[name].expression != schedule.expression:
                first = self._after(name, self._now(), self._now())
                self._connection.execute(
                    "INSERT INTO schedules (name, expression, next_due) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE"
                    " SET expression = excluded.expression, next_due = excluded.next_due",
                    (name, schedule.expression, first),
                )

    def _after(self, name: str, due: float, now: float) -> float | None:
        """The first due time after `now`, counted from `due`: a rate keeps its rhythm."""
        times = (datetime.fromtimestamp(moment, UTC) for moment in (due, now))
        following = next_due(self._timetables[name], *times)
        return following.timestamp() if following else None

    def _claim(self, name: str, due: float, now: float) -> None:
        self._connection.execute(
            "UPDATE schedules SET claimed = ?, next_due = ? WHERE name = ?", (due, self._after(name, due, now), name)
        )

    def _set_next(self, name: str, due: float | None) -> None:
        self._connection.execute("UPDATE schedules SET next_due = ? WHERE name = ?", (due, name))

    def _start(self, name: str, due: float) -> None:
        schedule = self._schedules[name]
        run = Run(schedule, due, str(uuid.uuid5(_NAMESPACE, f"{schedule.arn} {due}")))
        self._running[name] = asyncio.get_running_loop().create_task(self._finish(run))

    async def _finish(self, run: Run) -> None:
        name = run.schedule.name
        try:
            error = await self._run(run)
            self._connection.execute(
                "UPDATE schedules SET claimed = NULL, last_due = ?, last_error = ? WHERE name = ?",
                (run.due, error, name),
            )
        finally:
            del self._running[name]
