"""Checks a definition when it is registered, so that nothing it says can surprise the interpreter.

What is not supported is refused by name and place, never ignored: other resources than Lambda, task tokens, heartbeats,
JSONata and variables, and everything of a Map that leaves the machine (readers, batchers, writers).
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from infra.local.states import fields
from infra.local.states.fields import Check, Faults, fault
from isthmus.failure import FieldError, Invalid

MAX_BYTES = 1024 * 1024  # https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MAX_DEPTH = 100
MAX_NAME = 80
MAX_FAULTS = 20

Definition = Mapping[str, Any]


def check(machine: str, definition: Any) -> str:
    """The JSON text of a definition without faults.

    Raises:
        Invalid: it has faults; the first is in `detail`, all of them (at most 20) in `errors`.
    """
    text, found = _text(definition)
    if not found:
        found = list(islice(_faults(json.loads(text)), MAX_FAULTS))
    if found:
        first = found[0]
        raise Invalid(
            f"The definition of the state machine {machine} has a fault at {first.pointer or '/'}: {first.message}.",
            next_step="Correct the definition, or deploy the machine to AWS if only this runtime lacks the feature.",
            code="states/definition",
            errors=tuple(found),
        )
    return text


def processor_of(state: Definition) -> Definition:
    """What a Map runs for each item, under its new or its old name."""
    processor: Definition = state["ItemProcessor"] if "ItemProcessor" in state else state["Iterator"]
    return processor


def is_distributed(state: Definition) -> bool:
    """Whether a Map's items are executions of their own."""
    return bool(processor_of(state).get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED")


def _text(definition: Any) -> tuple[str, list[FieldError]]:
    """The definition as JSON, or what keeps it from being JSON of a bearable size."""
    waiting, depth = [definition], 0
    while waiting and depth <= MAX_DEPTH:
        below = [node.values() if isinstance(node, dict) else node for node in waiting if isinstance(node, dict | list)]
        waiting, depth = [child for children in below for child in children], depth + 1
    if depth > MAX_DEPTH:
        return "", [FieldError("", f"it is nested deeper than {MAX_DEPTH}")]
    try:
        text = json.dumps(definition, allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
    except (TypeError, ValueError):
        return "", [FieldError("", "it is not JSON")]
    return text, [] if size <= MAX_BYTES else [FieldError("", f"it is larger than {MAX_BYTES} bytes")]


def _faults(definition: Any) -> Faults:
    """Faults of form first; what relates fields to each other is looked at only when the form is right."""
    found = list(_machine(definition, ""))
    yield from found
    if not found:
        counted = Counter(name for _, name, _ in _states(definition, ""))
        for at, name, state in _states(definition, ""):
            if counted[name] > 1:
                yield FieldError(at, "a state's name may be there only once, branches and iterations included")
            yield from _relations(state, at)
        for at, inner in _machines(definition, ""):
            yield from _transitions(inner, at)


def _machine(candidate: Any, at: str) -> Faults:
    yield from _having_states({**fields.MACHINE, "States": _state_table}, candidate, at)


def _branch(candidate: Any, at: str) -> Faults:
    yield from _having_states(
        {**fields.ANYWHERE, "StartAt": fields.MACHINE["StartAt"], "States": _state_table}, candidate, at
    )


def _processor(candidate: Any, at: str) -> Faults:
    allowed = {**fields.ANYWHERE, "StartAt": fields.MACHINE["StartAt"], "States": _state_table}
    yield from _having_states({**allowed, "ProcessorConfig": fields.PROCESSOR_CONFIG}, candidate, at)


def _having_states(allowed: Mapping[str, Check], candidate: Any, at: str) -> Faults:
    yield from fields.fields(allowed, "state machine")(candidate, at)
    if isinstance(candidate, dict):
        for name in ("StartAt", "States"):
            if name not in candidate:
                yield FieldError(at, f"must have the field {name}")


def _state_table(candidate: Any, at: str) -> Faults:
    if not isinstance(candidate, dict) or not candidate:
        yield FieldError(at, "must be an object with at least one state")
        return
    for name, state in candidate.items():
        here = fault(at, name, "").pointer
        if not 1 <= len(name) <= MAX_NAME:
            yield FieldError(here, f"a state's name has 1 to {MAX_NAME} characters")
        yield from _state(state, here)


def _state(candidate: Any, at: str) -> Faults:
    kind = candidate.get("Type") if isinstance(candidate, dict) else None
    if not isinstance(kind, str) or kind not in _TYPES:
        yield fault(at, "Type", f"must be one of {', '.join(_TYPES)}")
        return
    yield from fields.fields(_TYPES[kind], f"{kind} state")(candidate, at)
    for names in _NEEDED[kind]:
        yield from fields.exactly_one(candidate, at, names)
    for names in _EITHER:
        yield from fields.at_most_one(candidate, at, names)


_TYPES: dict[str, dict[str, Check]] = {
    "Pass": {**fields.STATE, **fields.FILTERS, **fields.LEAVING, **fields.PASS},
    "Task": {**fields.STATE, **fields.FILTERS, **fields.LEAVING, **fields.CALLING, **fields.TASK},
    "Choice": {**fields.STATE, **fields.FILTERS, **fields.CHOICE},
    "Wait": {**fields.STATE, **fields.FILTERS, **fields.LEAVING, **fields.WAIT},
    "Succeed": {**fields.STATE, **fields.FILTERS},
    "Fail": {**fields.STATE, **fields.FAIL},
    "Parallel": {
        **fields.STATE,
        **fields.FILTERS,
        **fields.LEAVING,
        **fields.CALLING,
        "Branches": fields.items(_branch),
    },
    "Map": {
        **fields.STATE,
        **fields.FILTERS,
        **fields.LEAVING,
        **fields.CALLING,
        **fields.MAP,
        "ItemProcessor": _processor,
        "Iterator": _processor,
    },
}
_LEAVES = ("Next", "End")
_NEEDED: dict[str, tuple[tuple[str, ...], ...]] = {
    "Pass": (_LEAVES,),
    "Task": (_LEAVES, ("Resource",)),
    "Choice": (("Choices",),),
    "Wait": (_LEAVES, tuple(fields.WAIT)),
    "Succeed": (),
    "Fail": (),
    "Parallel": (_LEAVES, ("Branches",)),
    "Map": (_LEAVES, ("ItemProcessor", "Iterator")),
}
_EITHER = (
    ("TimeoutSeconds", "TimeoutSecondsPath"),
    ("Error", "ErrorPath"),
    ("Cause", "CausePath"),
    ("ItemSelector", "Parameters"),
    ("MaxConcurrency", "MaxConcurrencyPath"),
    ("ToleratedFailureCount", "ToleratedFailureCountPath"),
    ("ToleratedFailurePercentage", "ToleratedFailurePercentagePath"),
)


def _machines(machine: Definition, at: str) -> Iterator[tuple[str, Definition]]:
    """The machine and everything that runs inside it, each with its place."""
    yield at, machine
    for name, state in machine["States"].items():
        here = f"{at}/States{fault('', name, '').pointer}"
        for index, branch in enumerate(state.get("Branches", ())):
            yield from _machines(branch, f"{here}/Branches/{index}")
        for field in ("ItemProcessor", "Iterator"):
            if field in state:
                yield from _machines(state[field], f"{here}/{field}")


def _states(definition: Definition, at: str) -> Iterator[tuple[str, str, Definition]]:
    for inside, machine in _machines(definition, at):
        for name, state in machine["States"].items():
            yield f"{inside}/States{fault('', name, '').pointer}", name, state


def _relations(state: Definition, at: str) -> Faults:
    """What one field of a state demands of another."""
    if state["Type"] == "Task" and fields.INVOKE.fullmatch(state["Resource"]):
        given = state.get("Parameters", {})
        yield from fields.exactly_one(given, f"{at}/Parameters", ("FunctionName", "FunctionName.$"))
        for name in given.keys() - {"FunctionName", "FunctionName.$", "Payload", "Payload.$"}:
            yield fault(f"{at}/Parameters", name, "only FunctionName and Payload are supported here")
    if state["Type"] != "Map":
        return
    if is_distributed(state) and "ExecutionType" not in processor_of(state)["ProcessorConfig"]:
        yield FieldError(at, "a DISTRIBUTED Map must have an ExecutionType in its ProcessorConfig")
    if not is_distributed(state):
        for name in state:
            if name == "Label" or name.startswith("Tolerated"):
                yield fault(at, name, "only a DISTRIBUTED Map can have it")


def _targets(state: Definition, at: str) -> Iterator[tuple[str, str]]:
    """Where a state may lead to, each with the place that says so."""
    for field in ("Next", "Default"):
        if field in state:
            yield f"{at}/{field}", state[field]
    for field in ("Catch", "Choices"):
        for index, one in enumerate(state.get(field, ())):
            yield f"{at}/{field}/{index}/Next", one["Next"]


def _transitions(machine: Definition, at: str) -> Faults:
    """Every target exists, every state can be reached."""
    states = machine["States"]
    reached: set[str] = set()
    waiting = [(f"{at}/StartAt", machine["StartAt"])]
    while waiting:
        place, name = waiting.pop()
        if name not in states:
            yield FieldError(place, f"there is no state {name} here")
        elif name not in reached:
            reached.add(name)
            waiting.extend(_targets(states[name], f"{at}/States{fault('', name, '').pointer}"))
    for name in states.keys() - reached:
        yield FieldError(f"{at}/States{fault('', name, '').pointer}", "no other state leads here")
