"""Where executions live: SQLite in WAL mode with synchronous=FULL, so that neither a kill nor a power cut loses a step.

Every write goes through one thread, so the event loop never waits for the disk; whatever is asked for while a commit is
on its way shares the next one (group commit). What `write` has returned from is on the disk. One process at a time may
have a journal open: two would run every execution twice.
"""

import asyncio
import fcntl
import json
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from isthmus.failure import Conflict, Integrity, Unavailable

REGION = "us-east-1"
ACCOUNT = "000000000000"
VERSION = 1
FLUSH_S = 0.1

Status = Literal["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
Statement = tuple[str, tuple[Any, ...]]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS definition (hash TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS execution (
    id INTEGER PRIMARY KEY, machine TEXT NOT NULL, name TEXT NOT NULL, definition TEXT NOT NULL, status TEXT NOT NULL,
    input TEXT NOT NULL, output TEXT, error TEXT, cause TEXT, started_ms INTEGER NOT NULL, stopped_ms INTEGER,
    UNIQUE (machine, name)
);
CREATE INDEX IF NOT EXISTS execution_by_age ON execution (machine, id);
CREATE INDEX IF NOT EXISTS execution_running ON execution (id) WHERE status = 'RUNNING';
CREATE VIEW IF NOT EXISTS described AS
    SELECT id, machine, name, status, input, output, error, cause, started_ms, stopped_ms FROM execution;
CREATE TABLE IF NOT EXISTS step (
    execution INTEGER NOT NULL, place TEXT NOT NULL, output TEXT, following TEXT, progress TEXT,
    PRIMARY KEY (execution, place)
);
CREATE TABLE IF NOT EXISTS event (
    execution INTEGER NOT NULL, number INTEGER NOT NULL, at_ms INTEGER NOT NULL, type TEXT NOT NULL,
    place TEXT NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (execution, number)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Execution:
    """One run of a state machine; input and output are JSON values, times milliseconds since the epoch."""

    number: int
    machine: str
    name: str
    status: Status
    input: Any
    output: Any
    error: str | None
    cause: str | None
    started_ms: int
    stopped_ms: int | None

    @property
    def arn(self) -> str:
        """The execution's id, as Step Functions would write it."""
        return f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{self.machine}:{self.name}"


@dataclass(frozen=True)
class Event:
    """Something that happened in an execution; `where` is a state's name, with the index of each Map on the way."""

    at_ms: int
    type: str
    where: str
    detail: dict[str, Any]


@dataclass(frozen=True)
class Step:
    """What is known of a state's visit.

    Attributes:
        output: the JSON text it left with, None while it is in flight.
        following: the state after it, None at the end.
        progress: the JSON text of its retries and deadline so far.
    """

    output: str | None
    following: str | None
    progress: str | None


class Journal:
    """The journal of all executions on this machine."""

    def __init__(self, file: Path) -> None:
        """Open or create a journal.

        Raises:
            Conflict: another process has it open.
            Integrity: another version wrote it.
            Unavailable: it cannot be opened.
        """
        with ExitStack() as opening:
            opening.enter_context(_lock(file))
            try:
                self._writing = opening.enter_context(closing(_connect(file)))
                self._reading = opening.enter_context(closing(_connect(file)))
            except sqlite3.Error as error:
                raise _unwritable() from error
            self._opened = opening.pop_all()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._waiting: list[tuple[Sequence[Statement], asyncio.Future[list[int]] | None]] = []
        self._committing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last: int = self._one("SELECT coalesce(max(id), 0) FROM execution")[0]

    def next_number(self) -> int:
        """A number for a new execution."""
        self._last += 1
        return self._last

    def execution(self, machine: str, name: str) -> Execution | None:
        """The execution of that name, or None."""
        found = self._one("SELECT * FROM described WHERE machine = ? AND name = ?", machine, name)
        return _execution(found) if found else None

    def newest(self, machine: str, limit: int) -> list[Execution]:
        """The executions that were started last, the newest first."""
        sql = "SELECT * FROM described WHERE machine = ? ORDER BY id DESC LIMIT ?"
        return [_execution(row) for row in self._all(sql, machine, limit)]

    def running(self) -> list[tuple[Execution, str]]:
        """Every execution that has not ended, the oldest first, with the text of its definition."""
        sql = """
            SELECT described.*, text FROM described JOIN execution USING (id) JOIN definition ON hash = definition
            WHERE execution.status = 'RUNNING' ORDER BY id
        """
        return [(_execution(row[:-1]), row[-1]) for row in self._all(sql)]

    def steps(self, number: int) -> dict[str, Step]:
        """What is known of an execution's states, by place."""
        sql = "SELECT place, output, following, progress FROM step WHERE execution = ?"
        return {place: Step(*rest) for place, *rest in self._all(sql, number)}

    def events(self, number: int) -> list[Event]:
        """What happened in an execution, in order; the last tenth of a second may be missing."""
        sql = "SELECT at_ms, type, place, detail FROM event WHERE execution = ? ORDER BY number"
        return [Event(at_ms, kind, place, json.loads(detail)) for at_ms, kind, place, detail in self._all(sql, number)]

    def last_event(self, number: int) -> int:
        """The number of an execution's last event, 0 if there is none."""
        found: int = self._one("SELECT coalesce(max(number), 0) FROM event WHERE execution = ?", number)[0]
        return found

    async def write(self, *statements: Statement) -> list[int]:
        """Write in one transaction; how many rows each statement changed.

        Raises:
            Unavailable: it could not be written, and nothing of it is.
        """
        done: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._waiting.append((statements, done))
        self._commit_soon()
        return await done

    def note(self, statement: Statement) -> None:
        """Write with the next transaction, at latest in a tenth of a second."""
        self._waiting.append(((statement,), None))
        if self._timer is None and self._committing is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._commit_soon)

    async def close(self) -> None:
        """Write what is still waiting and let go of the file."""
        self._commit_soon()
        if self._committing:
            await self._committing
        self._thread.shutdown()
        self._opened.close()

    def _one(self, sql: str, *parameters: Any) -> Any:
        return self._reading.execute(sql, parameters).fetchone()

    def _all(self, sql: str, *parameters: Any) -> list[Any]:
        return self._reading.execute(sql, parameters).fetchall()

    def _commit_soon(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._committing is None and self._waiting:
            self._committing = asyncio.get_running_loop().create_task(self._commit())

    async def _commit(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            statements = [statements for statements, _ in batch]
            outcome = await asyncio.get_running_loop().run_in_executor(self._thread, self._apply, statements)
            for number, (_, done) in enumerate(batch):
                if done is None or done.done():
                    continue
                if isinstance(outcome, sqlite3.Error):
                    done.set_exception(_unwritable())
                else:
                    done.set_result(outcome[number])
        self._committing = None

    def _apply(self, groups: list[Sequence[Statement]]) -> list[list[int]] | sqlite3.Error:
        """Runs in the writing thread: all statements in one transaction, or none."""
        try:
            self._writing.execute("BEGIN IMMEDIATE")
            changed = [[self._writing.execute(*statement).rowcount for statement in group] for group in groups]
            self._writing.execute("COMMIT")
        except sqlite3.Error as error:
            if self._writing.in_transaction:
                self._writing.execute("ROLLBACK")
            return error
        return changed


def _lock(file: Path) -> IO[str]:
    """Keep other processes away; record locks end with their process, however it dies, and children do not get them."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        held = file.with_name(file.name + ".lock").open("w")
    except OSError as error:
        raise _unwritable() from error
    try:
        fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held.close()
        raise Conflict(
            "Another process runs the executions of this journal.",
            next_step="Stop the other runtime, or give this one a data folder of its own.",
            code="states/journal-in-use",
        ) from error
    return held


def _connect(file: Path) -> sqlite3.Connection:
    with ExitStack() as opening:  # a file that turns out to be none of ours is let go
        database = opening.enter_context(closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)))
        database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000;")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise Integrity(
                f"The journal has version {version}, this runtime writes version {VERSION}.",
                next_step="Use the runtime that wrote it, or move the journal away to begin an empty one.",
                code="states/journal-version",
            )
        database.executescript(f"{_SCHEMA} PRAGMA user_version = {VERSION};")
        opening.pop_all()
    return database


def _execution(row: Sequence[Any]) -> Execution:
    number, machine, name, status, given, output, error, cause, started_ms, stopped_ms = row
    answer = None if output is None else json.loads(output)
    return Execution(number, machine, name, status, json.loads(given), answer, error, cause, started_ms, stopped_ms)


def _unwritable() -> Unavailable:
    return Unavailable(
        "The journal of the executions cannot be written.",
        next_step="Make room on the disk and start the runtime again; every execution goes on from its last step.",
        code="states/journal",
    )
