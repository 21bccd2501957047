"""Runs a machine: enters a state, filters its input, performs it, retries or catches, filters its output, goes on.

https://states-language.net/spec.html. A state that the journal knows as finished is not performed again; one that was
in flight is, with the retries it had made and the deadline it was waiting for.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from infra.local.states import branches, leaves
from infra.local.states.definition import Definition
from infra.local.states.errors import StatesError
from infra.local.states.paths import parse_reference, put
from infra.local.states.retries import DEFAULT_ATTEMPTS, delay_s, handler_of
from infra.local.states.run import MAX_CAUSE, Run, Scope, Visit, encode


@dataclass(frozen=True)
class Left:
    """How a state was left: its output, as a value and as JSON, and the state that follows, None at the end."""

    output: Any
    text: str
    following: str | None


async def run_machine(run: Run, machine: Definition, data: Any, scope: Scope) -> Any:
    """The output of a machine, a branch or an iteration.

    Raises:
        StatesError: a state failed and nothing caught it.
    """
    name: str | None = machine["StartAt"]
    number = 0
    while name is not None:
        place = f"{scope.place}{number}"
        known = run.steps.pop(place, None)
        if known and known.output is not None:
            data, name = json.loads(known.output), known.following
            scope.history.count += 0 if scope.history.recorded else 2
        else:
            visit = Visit(run, scope, name, machine["States"][name], place, run.clock.now_ms())
            visit.attempts = [0] * len(visit.state.get("Retry", ()))
            if known and known.progress:
                progress = json.loads(known.progress)
                visit.attempts, visit.due_ms = progress["attempts"], progress["due_ms"]
            data, name = await _visit(visit, data)
        number += 1
    return data


async def _visit(visit: Visit, raw: Any) -> tuple[Any, str | None]:
    kind = visit.state["Type"]
    visit.note(f"{kind}StateEntered")
    left = await _perform(visit, raw)
    visit.note(f"{kind}StateExited")
    await visit.finish(left.text, left.following)
    return left.output, left.following


async def _perform(visit: Visit, raw: Any) -> Left:
    """Attempt a state until it succeeds, is caught or fails."""
    while True:
        if visit.due_ms is not None:
            await visit.run.until(visit.due_ms)
        try:
            return await _attempt(visit, raw)
        except StatesError as error:
            error.where = error.where or visit.where
            visit.note(f"{visit.state['Type']}Failed", error=error.error, cause=error.cause[:MAX_CAUSE])
            if not await _retry(visit, error):
                return _catch(visit, raw, error)


async def _attempt(visit: Visit, raw: Any) -> Left:
    state = visit.state
    result, following = await _BODIES[state["Type"]](visit, visit.select(state.get("InputPath", "$"), raw))
    if "ResultSelector" in state:
        encode(result)  # the limit holds for what a task answers, not only for what is selected from it
        result = visit.fill("ResultSelector", result)
    output = visit.select(state.get("OutputPath", "$"), _placed(state, raw, result))
    if output is not result:
        encode(result)
    return Left(output, encode(output), following)


def _placed(handler: Mapping[str, Any], raw: Any, result: Any) -> Any:
    """The state's raw input with the result where the ResultPath of a state or catcher says."""
    path = handler.get("ResultPath", "$")
    return raw if path is None else put(parse_reference(path), raw, result)


async def _retry(visit: Visit, error: StatesError) -> bool:
    """Whether there is another attempt, after the pause that the first matching retrier asks for."""
    retriers = visit.state.get("Retry", ())
    number = handler_of(retriers, error.error)
    if number is None:
        return False
    retrier, done = retriers[number], visit.attempts[number]
    if done >= retrier.get("MaxAttempts", DEFAULT_ATTEMPTS):
        return False
    delay = delay_s(retrier, done)
    visit.attempts[number] += 1
    visit.note(f"{visit.state['Type']}RetryScheduled", attempt=sum(visit.attempts), delay_s=round(delay, 3))
    await visit.pause(visit.run.clock.now_ms() + round(delay * 1000))
    return True


def _catch(visit: Visit, raw: Any, error: StatesError) -> Left:
    """Leave by the first matching catcher, or pass the error on."""
    catchers = visit.state.get("Catch", ())
    number = handler_of(catchers, error.error)
    if number is None:
        raise error
    output = _placed(catchers[number], raw, {"Error": error.error, "Cause": error.cause})
    return Left(output, encode(output), catchers[number]["Next"])


_BODIES: dict[str, Callable[[Visit, Any], Awaitable[leaves.Result]]] = {
    "Pass": leaves.perform_pass,
    "Task": leaves.perform_task,
    "Choice": leaves.perform_choice,
    "Wait": leaves.perform_wait,
    "Succeed": leaves.perform_succeed,
    "Fail": leaves.perform_fail,
    "Parallel": partial(branches.perform_parallel, run_machine),
    "Map": partial(branches.perform_map, run_machine),
}
