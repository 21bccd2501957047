"""The states with machines inside: Parallel and Map.

Places in the journal below a Parallel or Map are `<its place>/<attempt>/<index>/<number>`: a retry begins new places,
so nothing of the failed attempt is taken for finished.
"""

import json
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.local.states.definition import Definition, is_distributed, processor_of
from infra.local.states.errors import (
    DATA_LIMIT_EXCEEDED,
    EXCEED_TOLERATED_FAILURE_THRESHOLD,
    RUNTIME,
    StatesError,
)
from infra.local.states.leaves import Result, integer_at
from infra.local.states.run import MAX_CAUSE, MAX_PAYLOAD_BYTES, History, Run, Scope, Visit, encode, together
from infra.local.states.templates import fill

# AWS runs up to 40 iterations at once, or 10,000 executions; one machine has a few cores and capped workers.
DEFAULT_CONCURRENCY = 8
MAX_CONCURRENCY = 40
MAX_FAILURE_EVENTS = 1000

RunMachine = Callable[[Run, Definition, Any, Scope], Awaitable[Any]]


async def perform_parallel(run_machine: RunMachine, visit: Visit, effective: Any) -> Result:
    """The outputs of the branches, in order."""
    given = visit.fill("Parameters", effective)
    visit.note("ParallelStateStarted")
    branches = visit.state["Branches"]
    works = (_branch(run_machine, visit, branch, given, index) for index, branch in enumerate(branches))
    return await together(works), visit.state.get("Next")


async def _branch(run_machine: RunMachine, visit: Visit, branch: Definition, given: Any, index: int) -> Any:
    return await run_machine(visit.run, branch, given, _inside(visit, index, visit.scope.context, visit.scope.history))


async def perform_map(run_machine: RunMachine, visit: Visit, effective: Any) -> Result:
    """The outputs of the iterations, in the order of the items; those that failed and are tolerated are left out."""
    items = visit.select(visit.state.get("ItemsPath", "$"), effective)
    if not isinstance(items, list):
        raise StatesError(RUNTIME, "ItemsPath must lead to an array.")
    mapping = _Mapping(run_machine, visit, effective, enumerate(items), len(items))
    visit.note("MapStateStarted", length=len(items))
    at_once = integer_at(visit, "MaxConcurrency", effective, 0) or DEFAULT_CONCURRENCY
    process = _process_children if is_distributed(visit.state) else _process_iterations
    await together(process(mapping) for _ in range(min(at_once, MAX_CONCURRENCY, len(items))))
    visit.note("MapStateSucceeded", failed=mapping.failed)
    return [mapping.outputs[index] for index in sorted(mapping.outputs)], visit.state.get("Next")


@dataclass
class _Mapping:
    """A Map at work: all of its workers take from the same items."""

    run_machine: RunMachine
    visit: Visit
    effective: Any
    items: Iterator[tuple[int, Any]]
    length: int
    outputs: dict[int, Any] = field(default_factory=dict)
    size: int = 0
    failed: int = 0

    def keep(self, index: int, output: Any) -> None:
        """Keep an iteration's output, as long as all of them fit into one payload."""
        self.outputs[index] = output
        self.size += len(encode(output))
        if self.size > MAX_PAYLOAD_BYTES:
            raise StatesError(DATA_LIMIT_EXCEEDED, f"The outputs of a Map are larger than {MAX_PAYLOAD_BYTES} bytes.")

    def select(self, index: int, item: Any) -> tuple[Any, dict[str, Any]]:
        """An iteration's input and the context object with its item."""
        context = {**self.visit.scope.context, "Map": {"Item": {"Index": index, "Value": item}}}
        selector = self.visit.state.get("ItemSelector", self.visit.state.get("Parameters"))
        if selector is None:
            return item, context
        return fill(selector, self.effective, {**self.visit.context, "Map": context["Map"]}), context


async def _process_iterations(mapping: _Mapping) -> None:
    """Inline: one iteration after the other until there are none; the first that fails fails the state."""
    visit = mapping.visit
    for index, item in mapping.items:
        visit.note("MapIterationStarted", index=index)
        given, context = mapping.select(index, item)
        scope = _inside(visit, index, context, visit.scope.history)
        try:
            output = await mapping.run_machine(visit.run, processor_of(visit.state), given, scope)
        except StatesError as error:
            visit.note("MapIterationFailed", index=index, error=error.error)
            raise
        visit.note("MapIterationSucceeded", index=index)
        mapping.keep(index, output)


async def _process_children(mapping: _Mapping) -> None:
    """Distributed: each item is an execution of its own, whose failure is counted; its events are not recorded."""
    for index, item in mapping.items:
        await _run_child(mapping, index, item)


async def _run_child(mapping: _Mapping, index: int, item: Any) -> None:
    visit = mapping.visit
    given, _ = mapping.select(index, item)
    scope = _inside(visit, index, _child_context(visit, index, given), History(recorded=False))
    known = visit.run.steps.pop(scope.place, None)
    if known and known.progress:
        failure = StatesError(**json.loads(known.progress))
    else:
        try:
            output = await mapping.run_machine(visit.run, processor_of(visit.state), given, scope)
        except StatesError as error:
            failure = error
        else:
            mapping.keep(index, output)
            return
    await _count_failure(mapping, index, scope.place, failure)


async def _count_failure(mapping: _Mapping, index: int, place: str, error: StatesError) -> None:
    visit = mapping.visit
    mapping.failed += 1
    if mapping.failed <= MAX_FAILURE_EVENTS:
        visit.note("MapIterationFailed", index=index, error=error.error, cause=error.cause[:MAX_CAUSE])
    if _exceeds(mapping):
        cause = "The specified tolerated failure threshold was exceeded."
        raise StatesError(EXCEED_TOLERATED_FAILURE_THRESHOLD, cause)
    await visit.remember_failure(place, error)


def _exceeds(mapping: _Mapping) -> bool:
    """Whether more iterations failed than is tolerated; with both limits set, one of them exceeded is enough."""
    visit, failed = mapping.visit, mapping.failed
    count = integer_at(visit, "ToleratedFailureCount", mapping.effective, 0)
    percentage = visit.state.get("ToleratedFailurePercentage")
    if "ToleratedFailurePercentagePath" in visit.state:
        percentage = integer_at(visit, "ToleratedFailurePercentage", mapping.effective, 0)
    if count is None and percentage is None:
        return failed > 0
    return (count is not None and failed > count) or (
        percentage is not None and failed * 100 > percentage * mapping.length
    )


def _inside(visit: Visit, index: int, context: Mapping[str, Any], history: History) -> Scope:
    place = f"{visit.place}/{sum(visit.attempts)}/{index}/"
    return Scope(context, place, f"{visit.where}[{index}]/", history)


def _child_context(visit: Visit, index: int, given: Any) -> dict[str, Any]:
    """The context object of a distributed Map's child: an execution with its own id, the same after a restart."""
    parent, machine = visit.scope.context["Execution"], visit.scope.context["StateMachine"]
    label = visit.state.get("Label", visit.name)
    name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{parent['Id']}/{visit.place}/{sum(visit.attempts)}/{index}"))
    arn = f"{machine['Id']}/{label}"
    return {
        "Execution": {
            **parent,
            "Id": f"{arn.replace(':stateMachine:', ':execution:')}:{name}",
            "Name": name,
            "Input": given,
        },
        "StateMachine": {"Id": arn, "Name": f"{machine['Name']}/{label}"},
    }
