"""One execution in progress: what all of its states share, and what a single visit of a state knows."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from infra.local.states.errors import DATA_LIMIT_EXCEEDED, RUNTIME, TIMEOUT, StatesError
from infra.local.states.intrinsics import evaluate, parse_expression
from infra.local.states.journal import Journal, Statement, Step
from infra.local.states.templates import fill
from isthmus.ports import Clock

MAX_PAYLOAD_BYTES = 256 * 1024
MAX_EVENTS = 25_000
MAX_CAUSE = 2048
LONGEST_NAP_S = 60.0

Invoke = Callable[[str, Any, float | None], Awaitable[Any]]
"""Calls a function: its ARN, the payload (not to be changed) and the seconds it may take, None for as long as it likes.

Answers the JSON value the function returned. Raises TaskError when the function failed. It is cancelled when the task's
time is up or its execution is stopped.
"""

Sleep = Callable[[float], Awaitable[None]]

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode

_FINISH = "INSERT OR REPLACE INTO step (execution, place, output, following) VALUES (?, ?, ?, ?)"
_PROGRESS = "INSERT OR REPLACE INTO step (execution, place, progress) VALUES (?, ?, ?)"
_FORGET = "DELETE FROM step WHERE execution = ? AND place > ? AND place < ?"
_EVENT = "INSERT INTO event (execution, number, at_ms, type, place, detail) VALUES (?, ?, ?, ?, ?, ?)"


def encode(value: Any) -> str:
    """A payload as JSON.

    Raises:
        StatesError: States.Runtime when it is not JSON, States.DataLimitExceeded when it has more than 256 KiB.
    """
    try:
        text = _encode(value)
        size = len(text) if text.isascii() else len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise StatesError(RUNTIME, "A value is not JSON.") from error
    if size > MAX_PAYLOAD_BYTES:
        raise StatesError(DATA_LIMIT_EXCEEDED, f"A state's payload is larger than {MAX_PAYLOAD_BYTES} bytes.")
    return text


def iso(at_ms: int) -> str:
    """A moment as the context object shows it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class History:
    """The events of one execution or, not recorded but counted, of one iteration of a DISTRIBUTED Map."""

    recorded: bool
    count: int = 0


@dataclass
class Run:
    """One execution in progress.

    Attributes:
        number: the journal's number of it.
        steps: what the journal remembers of its states, by place.
        history: its own events, of which there may be `max_events`.
    """

    number: int
    journal: Journal
    invoke: Invoke
    sleep: Sleep
    clock: Clock
    steps: dict[str, Step]
    history: History
    max_events: int

    async def until(self, due_ms: int) -> None:
        """Sleep until a moment; in naps, because the loop's clock stands still while the machine is suspended."""
        left = (due_ms - self.clock.now_ms()) / 1000
        while left > 0:
            nap = min(left, LONGEST_NAP_S)
            await self.sleep(nap)
            left = min(left - nap, (due_ms - self.clock.now_ms()) / 1000)

    async def within(self, seconds: float | None, work: Awaitable[Any]) -> Any:
        """The work's result.

        Raises:
            StatesError: States.Timeout, when it takes longer; the work is cancelled.
        """
        if seconds is None:
            return await work
        timer = asyncio.ensure_future(self.sleep(seconds))
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait((task, timer), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise StatesError(TIMEOUT, f"It took longer than {seconds:g} seconds.")
            return task.result()
        finally:
            await cancel(task, timer)

    def event(self, kind: str, where: str, detail: Mapping[str, Any]) -> Statement:
        """The statement that writes an event of this execution."""
        self.history.count += 1
        return _EVENT, (self.number, self.history.count, self.clock.now_ms(), kind, where, json.dumps(detail))


@dataclass(frozen=True)
class Scope:
    """Where a machine runs: the execution itself, a branch or an iteration.

    Attributes:
        context: the context object without the state.
        place: what the places of its states begin with in the journal.
        where: what the names of its states begin with in events.
        history: where its events are counted.
    """

    context: Mapping[str, Any]
    place: str
    where: str
    history: History


@dataclass
class Visit:
    """One visit of a state, retries included.

    Attributes:
        attempts: how many retries each retrier has made.
        due_ms: the moment before which nothing may happen: the end of a wait or of a pause between attempts.
    """

    run: Run
    scope: Scope
    name: str
    state: Mapping[str, Any]
    place: str
    entered_ms: int
    attempts: list[int] = field(default_factory=list)
    due_ms: int | None = None

    @property
    def where(self) -> str:
        """The state's name in events."""
        return self.scope.where + self.name

    @property
    def context(self) -> dict[str, Any]:
        """The context object: https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html."""
        state = {"Name": self.name, "EnteredTime": iso(self.entered_ms), "RetryCount": sum(self.attempts)}
        return {**self.scope.context, "State": state}

    def select(self, path: str | None, data: Any) -> Any:
        """What an InputPath, OutputPath or other path stands for; null stands for an empty object."""
        if path is None:
            return {}
        return data if path == "$" else evaluate(parse_expression(path), data, self.context)

    def fill(self, name: str, data: Any) -> Any:
        """The payload template in the field `name`, filled in; the data itself when there is none."""
        return fill(self.state[name], data, self.context) if name in self.state else data

    def note(self, kind: str, **detail: Any) -> None:
        """Record an event of this state.

        Raises:
            StatesError: States.Runtime, when the history is full.
        """
        history, most = self.scope.history, self.run.max_events
        if history.count >= most:
            raise StatesError(RUNTIME, f"The execution reached the maximum number of history events ({most}).")
        if history.recorded:
            self.run.journal.note(self.run.event(kind, self.where, detail))
        else:
            history.count += 1

    async def pause(self, due_ms: int) -> None:
        """Let nothing happen before a moment, and let a restart know of it."""
        self.due_ms = due_ms
        progress = _encode({"attempts": self.attempts, "due_ms": due_ms})
        await self.run.journal.write((_PROGRESS, (self.run.number, self.place, progress)))

    async def finish(self, output: str, following: str | None) -> None:
        """Make the state's output last; what its branches and iterations left in the journal is not needed any more."""
        inside = (self.run.number, f"{self.place}/", f"{self.place}0")  # "0" comes after "/"
        forget = ((_FORGET, inside),) if self.state["Type"] in ("Map", "Parallel") else ()
        await self.run.journal.write(
            (_FINISH, (self.run.number, self.place, output, following)),
            *forget,
        )

    async def remember_failure(self, place: str, error: StatesError) -> None:
        """Let a restart know that a child of this Map has failed and is tolerated."""
        failure = json.dumps({"error": error.error, "cause": error.cause})
        await self.run.journal.write((_PROGRESS, (self.run.number, place, failure)))


async def together(works: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """The results of all works, in order; the first error cancels the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await cancel(*tasks)


async def cancel(*tasks: asyncio.Future[Any]) -> None:
    """Cancel what is not done, and wait until it has noticed."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
