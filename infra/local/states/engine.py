"""The engine: state machines by name, executions that are started once per name and survive a kill.

It runs on one asyncio loop, in the process of the local runtime. What a finished state answered is never computed anew;
a state that was in flight when the process died is performed again, as after a retry of Step Functions.
"""

import asyncio
import hashlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.states.definition import check
from infra.local.states.errors import DATA_LIMIT_EXCEEDED, RUNTIME, StatesError
from infra.local.states.interpreter import run_machine
from infra.local.states.journal import ACCOUNT, REGION, Event, Execution, Journal, Status
from infra.local.states.run import MAX_EVENTS, History, Invoke, Run, Scope, Sleep, cancel, encode, iso
from isthmus.clock import SystemClock
from isthmus.failure import Failure, Invalid, Limited, NotFound, Precondition, TooLarge
from isthmus.ports import Clock

MAX_RUNNING = 1000
MAX_LISTED = 1000
KEPT_MS = 90 * 24 * 3600 * 1000  # as long as Step Functions keeps an execution and its name

MAX_ERROR, MAX_CAUSE = 256, 32_768  # characters; https://docs.aws.amazon.com/step-functions/latest/apireference

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_DEFINE = "INSERT OR IGNORE INTO definition (hash, text) VALUES (?, ?)"
_CREATE = (
    "INSERT OR IGNORE INTO execution (id, machine, name, definition, status, input, started_ms)"
    " VALUES (?, ?, ?, ?, 'RUNNING', ?, ?)"
)
_END = "UPDATE execution SET status = ?, output = ?, error = ?, cause = ?, stopped_ms = ? WHERE id = ?"
_FORGET_STEPS = "DELETE FROM step WHERE execution = ?"
_FORGET_OLD_EVENTS = "DELETE FROM event WHERE execution IN (SELECT id FROM execution WHERE stopped_ms < ?)"
_FORGET_OLD = "DELETE FROM execution WHERE stopped_ms < ?"
_FORGET_DEFINITIONS = "DELETE FROM definition WHERE hash NOT IN (SELECT definition FROM execution)"

_log = logging.getLogger("isthmus.states")


class Engine:
    """Runs state machines of the Amazon States Language (JSONPath) whose tasks are Lambda functions."""

    def __init__(
        self,
        journal: Path,
        invoke: Invoke,
        *,
        sleep: Sleep = asyncio.sleep,
        clock: Clock | None = None,
        max_events: int = MAX_EVENTS,
    ) -> None:
        """Open the journal.

        Args:
            journal: the SQLite file; made when it is not there.
            invoke: calls a function.
            sleep: waits some seconds; for Wait states, pauses before retries and timeouts.
            clock: the time of day.
            max_events: after so many events an execution, or a child of a DISTRIBUTED Map, is ended.

        Raises:
            Conflict: another process uses the journal.
            Integrity: another version wrote it.
            Unavailable: it cannot be opened.
        """
        self._journal = Journal(journal)
        self._invoke = invoke
        self._sleep = sleep
        self._clock = clock or SystemClock()
        self._max_events = max_events
        self._definitions: dict[str, str] = {}
        self._starting: dict[tuple[str, str], asyncio.Task[bool]] = {}
        self._running: dict[tuple[str, str], _Running] = {}

    def register(self, machine: str, definition: Mapping[str, Any]) -> None:
        """Accept a definition for the executions that are started from now on; those that run keep theirs.

        Raises:
            Invalid: the name or the definition has a fault, or needs what this runtime does not support.
        """
        if not _NAME.fullmatch(machine):
            raise _bad_name("state machine")
        self._definitions[machine] = check(machine, definition)

    async def start(self, machine: str, name: str, payload: Any) -> bool:
        """Start an execution, on the disk before this returns; False when there is one of that name, ended or not.

        Raises:
            NotFound: there is no such machine.
            Invalid: the name is not 1 to 80 letters, digits, hyphens and underscores, or the payload is not JSON.
            TooLarge: the payload has more than 256 KiB.
            Limited: 1000 executions are running.
            Unavailable: the journal cannot be written.
        """
        if machine not in self._definitions:
            raise _no_machine(machine)
        if not _NAME.fullmatch(name):
            raise _bad_name("execution")
        text, key = _input(payload), (machine, name)
        if await self._started(key) or self._journal.execution(machine, name):
            return False
        if len(self._running) + len(self._starting) >= MAX_RUNNING:
            raise Limited(
                f"{MAX_RUNNING} executions are running.",
                next_step="Start this one again when some of them have ended.",
                code="states/running",
            )
        starting = self._starting[key] = asyncio.get_running_loop().create_task(self._create(machine, name, text))
        starting.add_done_callback(lambda _: self._starting.pop(key))
        # A caller who goes away must not leave an execution behind that is on the disk and does not run.
        return await asyncio.shield(starting)

    async def resume(self) -> list[str]:
        """Continue every execution that was running when the process ended; their ARNs, the oldest first.

        Executions that ended 90 days ago or earlier are forgotten, as Step Functions does.
        """
        old = self._clock.now_ms() - KEPT_MS
        await self._journal.write((_FORGET_OLD_EVENTS, (old,)), (_FORGET_OLD, (old,)), (_FORGET_DEFINITIONS, ()))
        here = self._starting.keys() | self._running.keys()
        found = [(one, text) for one, text in self._journal.running() if (one.machine, one.name) not in here]
        for execution, text in found:
            self._launch(execution, text)
        return [execution.arn for execution, _ in found]

    def describe(self, machine: str, name: str) -> Execution | None:
        """The execution of that name, or None."""
        return self._journal.execution(machine, name)

    def executions(self, machine: str, limit: int) -> list[Execution]:
        """The executions of a machine, the newest first, at most 1000."""
        return self._journal.newest(machine, max(0, min(limit, MAX_LISTED)))

    def history(self, machine: str, name: str) -> list[Event]:
        """What happened in an execution, at most 25,000 events; what iterations of a DISTRIBUTED Map did is left out.

        Events reach the disk with the next finished state or within a tenth of a second.
        """
        execution = self._journal.execution(machine, name)
        return self._journal.events(execution.number) if execution else []

    async def stop(self, machine: str, name: str, error: str, cause: str) -> bool:
        """Abort an execution; False when there is none of that name running."""
        await self._started((machine, name))
        execution = self._journal.execution(machine, name)
        if not execution or execution.status != "RUNNING":
            return False
        current = self._running.get((machine, name))
        if current is None:
            await self._end(self._run(execution), _Ending("ABORTED", error=StatesError(error, cause)))
            return True
        if not current.stopped.done():
            current.stopped.set_result(StatesError(error, cause))
        await asyncio.wait({current.task})
        ended = self._journal.execution(machine, name)
        return ended is not None and ended.status == "ABORTED"

    async def wait(self, machine: str, name: str) -> Execution:
        """The execution, when it has ended.

        Raises:
            NotFound: there is none of that name.
            Precondition: it waits to be resumed.
            Unavailable: the journal could not be written; it goes on after a restart.
        """
        await self._started((machine, name))
        current = self._running.get((machine, name))
        if current:
            await asyncio.wait({current.task})
            if not current.task.cancelled():
                current.task.result()
        execution = self._journal.execution(machine, name)
        if execution is None:
            raise NotFound(
                f"There is no execution {name} of {machine}.",
                next_step="Look at the list of its executions.",
                code="states/execution",
            )
        if execution.status == "RUNNING":
            raise Precondition(
                f"The execution {name} of {machine} is not being run.",
                next_step="Resume the executions first.",
                code="states/not-resumed",
            )
        return execution

    async def close(self) -> None:
        """Stop working; what is running goes on with the next `resume`."""
        await asyncio.gather(*self._starting.values(), return_exceptions=True)
        await cancel(*(current.task for current in self._running.values()))
        await self._journal.close()

    async def _started(self, key: tuple[str, str]) -> bool:
        """Whether an execution has just been started; waits for one that is being started."""
        starting = self._starting.get(key)
        return starting is not None and await asyncio.shield(starting)

    async def _create(self, machine: str, name: str, text: str) -> bool:
        definition = self._definitions[machine]
        digest = hashlib.sha256(definition.encode()).hexdigest()
        number, now_ms = self._journal.next_number(), self._clock.now_ms()
        _, created = await self._journal.write(
            (_DEFINE, (digest, definition)),
            (_CREATE, (number, machine, name, digest, text, now_ms)),
        )
        if created:
            given = json.loads(text)
            self._launch(Execution(number, machine, name, "RUNNING", given, None, None, None, now_ms, None), definition)
        return bool(created)

    def _run(self, execution: Execution) -> Run:
        number = execution.number
        history = History(recorded=True, count=self._journal.last_event(number))
        steps = self._journal.steps(number)
        return Run(number, self._journal, self._invoke, self._sleep, self._clock, steps, history, self._max_events)

    def _launch(self, execution: Execution, definition: str) -> None:
        key, loop = (execution.machine, execution.name), asyncio.get_running_loop()
        stopped: asyncio.Future[StatesError] = loop.create_future()
        task = loop.create_task(self._supervise(execution, json.loads(definition), stopped))
        self._running[key] = _Running(task, stopped)
        task.add_done_callback(lambda done: self._ended(key, done))

    def _ended(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        del self._running[key]
        if not task.cancelled() and task.exception():
            _log.error("The execution %s of %s waits for a restart: %s", key[1], key[0], task.exception())

    async def _supervise(
        self, execution: Execution, definition: Mapping[str, Any], stopped: asyncio.Future[StatesError]
    ) -> None:
        """Run an execution until it ends, its time is up or it is stopped, and write which of them it was."""
        run = self._run(execution)
        self._journal.note(run.event("ExecutionResumed" if run.history.count else "ExecutionStarted", "", {}))
        scope = Scope(_context(execution), "", "", run.history)
        work = asyncio.ensure_future(run_machine(run, definition, execution.input, scope))
        waiting: list[asyncio.Future[Any]] = [work, stopped]
        if "TimeoutSeconds" in definition:
            waiting.append(asyncio.ensure_future(run.until(execution.started_ms + definition["TimeoutSeconds"] * 1000)))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            ending = _ending(work, stopped)
        finally:
            await cancel(*waiting)
        await self._end(run, ending)

    async def _end(self, run: Run, ending: "_Ending") -> None:
        said, cause = None, None
        if ending.error:
            said = _printable(ending.error.error)[:MAX_ERROR]
            cause = _printable(_cause(ending.error))[:MAX_CAUSE]
        detail = {"error": said, "cause": cause} if ending.error else {}
        await self._journal.write(
            (_END, (ending.status, ending.output, said or None, cause or None, self._clock.now_ms(), run.number)),
            (_FORGET_STEPS, (run.number,)),
            run.event("Execution" + ending.status.title().replace("_", ""), "", detail),
        )


@dataclass(frozen=True)
class _Running:
    """An execution at work, and the future that stops it."""

    task: asyncio.Task[None]
    stopped: asyncio.Future[StatesError]


@dataclass(frozen=True)
class _Ending:
    """How an execution ended; the output is JSON."""

    status: Status
    output: str | None = None
    error: StatesError | None = None


def _ending(work: asyncio.Future[Any], stopped: asyncio.Future[StatesError]) -> _Ending:
    """What the first of an execution's work, its stop and the end of its time was.

    Raises:
        Failure: the journal cannot be written, and neither can the end: the execution goes on after a restart.
    """
    if not work.done():
        return _Ending("ABORTED", error=stopped.result()) if stopped.done() else _Ending("TIMED_OUT")
    problem = None if work.cancelled() else work.exception()
    if isinstance(problem, Failure):
        raise problem
    if isinstance(problem, StatesError):
        return _Ending("FAILED", error=problem)
    if problem or work.cancelled():
        _log.error("An execution met a defect of the runtime.", exc_info=problem)
        kind = type(problem).__name__ if problem else "CancelledError"
        return _Ending("FAILED", error=StatesError(RUNTIME, f"The runtime met {kind}."))
    return _Ending("SUCCEEDED", encode(work.result()))


def _context(execution: Execution) -> dict[str, Any]:
    machine = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{execution.machine}"
    return {
        "Execution": {
            "Id": execution.arn,
            "Input": execution.input,
            "Name": execution.name,
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/local",
            "StartTime": iso(execution.started_ms),
            "RedriveCount": 0,
        },
        "StateMachine": {"Id": machine, "Name": execution.machine},
    }


def _cause(error: StatesError) -> str:
    """The cause, with the state's name when it is the interpreter that speaks and not a task."""
    if error.where and error.error.startswith("States."):
        return f"In the state {error.where}: {error.cause}"
    return error.cause


def _printable(text: str) -> str:
    return text.encode(errors="replace").decode()


def _input(payload: Any) -> str:
    try:
        return encode(payload)
    except StatesError as error:
        too_large = error.error == DATA_LIMIT_EXCEEDED
        raise (TooLarge if too_large else Invalid)(
            "The payload has more than 256 KiB." if too_large else "The payload is not JSON.",
            next_step="Put large data into the blob store and send its key." if too_large else "Send a JSON value.",
            code="states/payload",
        ) from error


def _bad_name(what: str) -> Invalid:
    return Invalid(
        f"This is no name of a {what}.",
        next_step="Use 1 to 80 letters, digits, hyphens and underscores.",
        code="states/name",
    )


def _no_machine(machine: str) -> NotFound:
    return NotFound(
        f"There is no state machine {machine}.",
        next_step="Look at the names of the state machines in template.yaml.",
        code="states/machine",
    )
