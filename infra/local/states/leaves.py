"""The states without states inside: each gets its effective input and answers its result and the state that follows."""

from typing import Any

from infra.local.states.choices import holds, timestamp
from infra.local.states.errors import NO_CHOICE_MATCHED, RUNTIME, StatesError
from infra.local.states.fields import INVOKE, MAX_SECONDS
from infra.local.states.journal import ACCOUNT, REGION
from infra.local.states.run import Visit, encode

Result = tuple[Any, str | None]


async def perform_pass(visit: Visit, effective: Any) -> Result:
    """Its Result, or its input through its Parameters."""
    result = visit.state["Result"] if "Result" in visit.state else visit.fill("Parameters", effective)
    return result, visit.state.get("Next")


async def perform_succeed(_visit: Visit, effective: Any) -> Result:
    """Its input, at the end."""
    return effective, None


async def perform_fail(visit: Visit, effective: Any) -> Result:
    """Always raises the StatesError that the state describes."""
    raise StatesError(_said(visit, "Error", effective), _said(visit, "Cause", effective))


async def perform_choice(visit: Visit, effective: Any) -> Result:
    """Its input, on the way of the first rule that holds."""
    for rule in visit.state["Choices"]:
        if holds(rule, effective, visit.context):
            return effective, rule["Next"]
    if "Default" in visit.state:
        return effective, visit.state["Default"]
    raise StatesError(NO_CHOICE_MATCHED, "No choice rule matched and there is no Default.")


async def perform_wait(visit: Visit, effective: Any) -> Result:
    """Its input, when the time has come; a wait that a restart interrupted keeps its end."""
    if visit.due_ms is None:
        due_ms = _due_ms(visit, effective)
        await visit.pause(due_ms)
        await visit.run.until(due_ms)
    return effective, visit.state.get("Next")


async def perform_task(visit: Visit, effective: Any) -> Result:
    """What the function answers, in an envelope when it was called through the lambda:invoke integration."""
    resource: str = visit.state["Resource"]
    payload = visit.fill("Parameters", effective)
    integrated = INVOKE.fullmatch(resource) is not None
    if integrated:
        resource, payload = _function(payload["FunctionName"]), payload.get("Payload", {})
    encode(payload)
    seconds = _timeout_s(visit, effective)
    visit.note("TaskScheduled", resource=resource)
    answer = await visit.run.within(seconds, visit.run.invoke(resource, payload, seconds))
    visit.note("TaskSucceeded")
    envelope = {"ExecutedVersion": "$LATEST", "Payload": answer, "StatusCode": 200}
    return envelope if integrated else answer, visit.state.get("Next")


def integer_at(visit: Visit, name: str, data: Any, least: int) -> int | None:
    """What the field `name` says, or the field `name`Path leads to; None when the state has neither.

    Raises:
        StatesError: States.Runtime, when the path does not lead to an integer from `least` on.
    """
    if f"{name}Path" not in visit.state:
        return visit.state.get(name)
    number = visit.select(visit.state[f"{name}Path"], data)
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= MAX_SECONDS:
        raise StatesError(RUNTIME, f"{name}Path must lead to an integer from {least} to {MAX_SECONDS}.")
    return number


def _timeout_s(visit: Visit, effective: Any) -> float | None:
    return integer_at(visit, "TimeoutSeconds", effective, 1)


def _due_ms(visit: Visit, effective: Any) -> int:
    seconds = integer_at(visit, "Seconds", effective, 0)
    if seconds is not None:
        return visit.run.clock.now_ms() + seconds * 1000
    path = visit.state.get("TimestampPath")
    moment = timestamp(visit.select(path, effective) if path else visit.state["Timestamp"])
    if moment is None:
        raise StatesError(RUNTIME, f"The TimestampPath '{path}' does not lead to an RFC 3339 timestamp.")
    return round(moment.timestamp() * 1000)


def _said(visit: Visit, name: str, effective: Any) -> str:
    if f"{name}Path" not in visit.state:
        return str(visit.state.get(name, ""))
    text = visit.select(visit.state[f"{name}Path"], effective)
    if not isinstance(text, str):
        raise StatesError(RUNTIME, f"{name}Path must lead to a string.")
    return text


def _function(name: Any) -> str:
    """The ARN of a function that is named by its ARN or its name."""
    if not isinstance(name, str) or not name:
        raise StatesError(RUNTIME, "FunctionName must be the name or ARN of a function.")
    return name if name.startswith("arn:") else f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
