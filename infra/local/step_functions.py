"""AWS Step Functions' actions over the local engine, with its names for what can go wrong.

Reference: AWS Step Functions API Reference. Pages are not cut: a list has at most 1000 entries and no token for more.
"""

import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.local.expand import Machine
from infra.local.intrinsics import ACCOUNT, REGION
from infra.local.states.engine import Engine
from infra.local.states.journal import Event, Execution
from isthmus.failure import Failure, Limited, NotFound, TooLarge, Unavailable

MAX_RESULTS = 1000
DEFAULT_RESULTS = 100
_ARN = re.compile(rf"arn:aws:states:{REGION}:{ACCOUNT}:(stateMachine|execution):([^:/]+)(?::([^:/]+))?")
_ERRORS: dict[type[Failure], str] = {
    NotFound: "StateMachineDoesNotExist",
    TooLarge: "InvalidExecutionInput",
    Limited: "ExecutionLimitExceeded",
    Unavailable: "ServiceUnavailable",
}

Parameters = Mapping[str, Any]
Result = Mapping[str, Any]


class AwsError(Exception):
    """An error of an AWS service: its name, which SDKs match, and a sentence."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)
        self.name = name
        self.message = message


@dataclass(frozen=True)
class StepFunctions:
    """The service: an engine and the machines it knows."""

    engine: Engine
    machines: Mapping[str, Machine]

    async def act(self, action: str, parameters: Parameters) -> Result:
        """The result of one action.

        Raises:
            AwsError: the action is not supported, or the service would refuse it.
        """
        if action not in _ACTIONS:
            raise AwsError("UnknownOperationException", f"{action} is not supported on one machine.")
        return await _ACTIONS[action](self, parameters)

    def machine(self, parameters: Parameters) -> Machine:
        """The machine that `stateMachineArn` names."""
        name = _named(parameters.get("stateMachineArn"), "stateMachine")[0]
        if name not in self.machines:
            raise AwsError("StateMachineDoesNotExist", f"There is no state machine named {name}.")
        return self.machines[name]

    def execution(self, parameters: Parameters) -> Execution:
        """The execution that `executionArn` names."""
        machine, name = _named(parameters.get("executionArn"), "execution")
        found = self.engine.describe(machine, name)
        if found is None:
            raise AwsError("ExecutionDoesNotExist", f"There is no execution named {name}.")
        return found


def step_functions(engine: Engine, machines: Sequence[Machine]) -> StepFunctions:
    """The service over an engine."""
    return StepFunctions(engine, {machine.name: machine for machine in machines})


async def _start(service: StepFunctions, parameters: Parameters) -> Result:
    """Starting a running execution again with the same input is answered as the first time."""
    machine = service.machine(parameters)
    name, payload = str(parameters.get("name") or uuid.uuid4()), _input(parameters.get("input", "{}"))
    try:
        started = await service.engine.start(machine.name, name, payload)
    except Failure as failure:
        known = "InvalidName" if failure.code == "states/name" else "InvalidExecutionInput"
        raise AwsError(_ERRORS.get(type(failure), known), str(failure)) from failure
    execution = service.engine.describe(machine.name, name)
    if execution is None or (not started and (execution.status != "RUNNING" or execution.input != payload)):
        raise AwsError("ExecutionAlreadyExists", f"An execution named {name} exists already.")
    return {"executionArn": execution.arn, "startDate": execution.started_ms / 1000}


async def _describe(service: StepFunctions, parameters: Parameters) -> Result:
    execution = service.execution(parameters)
    shown = _listed(execution)
    shown |= {"input": json.dumps(execution.input), "inputDetails": {"included": True}}
    if execution.status == "SUCCEEDED":
        shown |= {"output": json.dumps(execution.output), "outputDetails": {"included": True}}
    if execution.error is not None:
        shown["error"] = execution.error
    if execution.cause is not None:
        shown["cause"] = execution.cause
    return shown


async def _list(service: StepFunctions, parameters: Parameters) -> Result:
    wanted, limit = parameters.get("statusFilter"), _limit(parameters)
    found = service.engine.executions(service.machine(parameters).name, MAX_RESULTS if wanted else limit)
    listed = [_listed(execution) for execution in found if wanted in (None, execution.status)]
    return {"executions": listed[:limit]}


async def _stop(service: StepFunctions, parameters: Parameters) -> Result:
    execution = service.execution(parameters)
    error, cause = str(parameters.get("error") or ""), str(parameters.get("cause") or "")
    await service.engine.stop(execution.machine, execution.name, error, cause)
    return {"stopDate": time.time()}


async def _history(service: StepFunctions, parameters: Parameters) -> Result:
    execution = service.execution(parameters)
    events = [
        _event(number, event)
        for number, event in enumerate(service.engine.history(execution.machine, execution.name), 1)
    ]
    if parameters.get("reverseOrder"):
        events.reverse()
    return {"events": events[: _limit(parameters, MAX_RESULTS)]}


async def _describe_machine(service: StepFunctions, parameters: Parameters) -> Result:
    machine = service.machine(parameters)
    return _machine(machine) | {
        "status": "ACTIVE",
        "definition": json.dumps(machine.definition),
        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/local",
    }


async def _list_machines(service: StepFunctions, parameters: Parameters) -> Result:
    machines = [_machine(machine) for machine in service.machines.values()]
    return {"stateMachines": machines[: _limit(parameters)]}


_ACTIONS: dict[str, Callable[[StepFunctions, Parameters], Awaitable[Result]]] = {
    "StartExecution": _start,
    "DescribeExecution": _describe,
    "ListExecutions": _list,
    "StopExecution": _stop,
    "GetExecutionHistory": _history,
    "DescribeStateMachine": _describe_machine,
    "ListStateMachines": _list_machines,
}


def _named(arn: Any, kind: str) -> tuple[str, str]:
    """The machine's name and, in an execution's ARN, the execution's."""
    match = _ARN.fullmatch(arn) if isinstance(arn, str) else None
    if match is None or match[1] != kind or (kind == "execution") != (match[3] is not None):
        raise AwsError("InvalidArn", f"The ARN is not one of a {kind} of this machine.")
    return match[2], match[3] or ""


def _input(text: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise AwsError("InvalidExecutionInput", "The input is not JSON text.") from error


def _limit(parameters: Parameters, default: int = DEFAULT_RESULTS) -> int:
    given = parameters.get("maxResults")
    if given is not None and (type(given) is not int or not 0 <= given <= MAX_RESULTS):
        raise AwsError("ValidationException", f"maxResults is between 0 and {MAX_RESULTS}.")
    return given or default


def _listed(execution: Execution) -> dict[str, Any]:
    shown = {
        "executionArn": execution.arn,
        "stateMachineArn": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{execution.machine}",
        "name": execution.name,
        "status": execution.status,
        "startDate": execution.started_ms / 1000,
        "redriveCount": 0,
    }
    if execution.stopped_ms is not None:
        shown["stopDate"] = execution.stopped_ms / 1000
    return shown


def _event(number: int, event: Event) -> dict[str, Any]:
    """One event; its details are under the key that its type asks for."""
    kind = re.sub(r"^[A-Z][A-Za-z]*State(Entered|Exited)$", r"state\1", event.type)
    details = {"name": event.where, **event.detail} if event.where else event.detail
    return {
        "timestamp": event.at_ms / 1000,
        "type": event.type,
        "id": number,
        "previousEventId": number - 1,
        kind[0].lower() + kind[1:] + "EventDetails": details,
    }


def _machine(machine: Machine) -> dict[str, Any]:
    return {"stateMachineArn": machine.arn, "name": machine.name, "type": "STANDARD", "creationDate": 0}
