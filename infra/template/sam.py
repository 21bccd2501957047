"""template.yaml: the hand-written base with one block for each operation, port and state machine."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.template.flow import block, flow
from infra.template.machines import Machine
from isthmus.operation import Effect, Operation
from isthmus.ports import COSTS, BitcoinNode, Cost

_BASE = Path(__file__).with_name("base.yaml")
_DEFAULT_TIMEOUT_S = 29
_DEFAULT_MEMORY_MB = 512
_REPORTS = "FaultReports"
_BREAKERS = "Breakers"
_NO_VALUE = {"Ref": "AWS::NoValue"}
_VPC = {"Fn::If": ["InVpc", {n: {"Ref": n} for n in ("SubnetIds", "SecurityGroupIds")}, _NO_VALUE]}


def render(operations: Iterable[Operation], machines: Iterable[Machine]) -> str:
    """The whole template.

    Raises:
        ValueError: two things would have the same logical id.
    """
    listed, started = tuple(operations), tuple(machines)
    text = _BASE.read_text()
    for marker, lines in {
        "environment": _environment(COSTS.values()),
        "policies": [line for port, level in _used(listed) for line in _policy(port, level)],
        "functions": [line for operation in listed for line in _function(operation)],
        "machines": [line for machine in started for line in _machine(machine)],
        "outputs": [line for machine in started for line in _output(machine)],
    }.items():
        text = _filled(text, marker, lines)
    ids = [line for line in text.splitlines() if line[:2] == "  " and line[2:3].isupper() and line.endswith(":")]
    if repeated := {name.strip(" :") for name in ids if ids.count(name) > 1}:
        raise ValueError(f"several things in the template are named {', '.join(sorted(repeated))}")
    return text


def logical_id(operation: Operation) -> str:
    """The function's name in the template: `get_block` is GetBlock."""
    return "".join(word.capitalize() for word in operation.name.split("_"))


def _filled(text: str, marker: str, lines: Iterable[str]) -> str:
    """The text with lines in the place of the marker's line, or with neither when there are none."""
    before, after = text.split(f"# + {marker}\n")
    indent = before[before.rindex("\n") + 1 :]
    block = "".join(indent + line + "\n" if line else "\n" for line in lines)
    return before[: -len(indent)] + block + (after if block else after.removeprefix("\n"))


def _environment(costs: Iterable[Cost]) -> list[str]:
    return [f"{name}: {flow(value)}" for cost in costs for name, value in cost.environment.items()]


def _level(operation: Operation, port: type) -> str:
    """Read, or Change if the operation changes things and the port tells the two apart."""
    return "Change" if operation.effect is not Effect.READ and COSTS[port].change else "Read"


def _policies(operation: Operation) -> list[tuple[type, str]]:
    """The port and level of each policy that an operation's parameters ask for."""
    priced = [port for port in operation.ports.values() if port in COSTS]
    return [(port, _level(operation, port)) for port in priced if COSTS[port].read or COSTS[port].change]


def _used(operations: Iterable[Operation]) -> list[tuple[type, str]]:
    used = {policy for operation in operations for policy in _policies(operation)}
    return sorted(used, key=lambda policy: (policy[0].__name__, policy[1] == "Change"))


def _policy(port: type, level: str) -> Iterator[str]:
    cost = COSTS[port]
    yield f"{port.__name__}{level}:"
    yield "  Type: AWS::IAM::ManagedPolicy"
    yield "  Properties:"
    yield "    PolicyDocument:"
    yield '      Version: "2012-10-17"'
    yield "      Statement:"
    for grant in cost.read + (cost.change if level == "Change" else ()):
        yield from ("        " + line for line in _statement(grant.actions, grant.resource))


def _statement(actions: Iterable[str], resource: Any) -> Iterator[str]:
    yield "- Effect: Allow"
    yield f"  Action: {flow(list(actions))}"
    yield from ("  " + line for line in block("Resource", resource, 14))


def _function(operation: Operation) -> Iterator[str]:
    yield f"{logical_id(operation)}:"
    yield "  Type: AWS::Serverless::Function"
    yield "  Metadata: {BuildMethod: makefile}"
    yield "  Properties:"
    yield f"    Handler: {operation.handler}"
    if operation.timeout_s != _DEFAULT_TIMEOUT_S:
        yield f"    Timeout: {operation.timeout_s}"
    if operation.memory_mb != _DEFAULT_MEMORY_MB:
        yield f"    MemorySize: {operation.memory_mb}"
    if layers := sorted({layer for port in operation.ports.values() if port in COSTS for layer in COSTS[port].layers}):
        yield f"    Layers: {flow([{'Ref': layer} for layer in layers])}"
    if BitcoinNode in operation.ports.values():
        yield f"    VpcConfig: {flow(_VPC)}"
    breakers = [_BREAKERS] if operation.neighbours or operation.effect is Effect.SPEND else []
    policies = [_REPORTS, *breakers, *(port.__name__ + level for port, level in _policies(operation))]
    yield f"    Policies: {flow([{'Ref': name} for name in policies])}"
    if events := _events(operation):
        yield from ("    " + line for line in block("Events", events, 6))


def _events(operation: Operation) -> dict[str, Mapping[str, Any]]:
    events: dict[str, Mapping[str, Any]] = {}
    if operation.route:
        route = {"Method": operation.method, "Path": operation.path} if operation.path != "$default" else {}
        events["Http"] = {"Type": "HttpApi", "Properties": {"ApiId": {"Ref": "Api"}, **route}}
    if operation.schedule:
        events["Schedule"] = {"Type": "ScheduleV2", "Properties": _schedule(operation)}
    return events


def _schedule(operation: Operation) -> dict[str, Any]:
    """The input is spelled out, because in EventBridge Scheduler's own event the detail is text."""
    return {
        "ScheduleExpression": operation.schedule,
        "OmitName": True,
        "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 300},
        "Input": f'{{"source": "aws.scheduler", "resources": ["{operation.name}"], "detail": {{}}}}',
    }


def _machine(machine: Machine) -> Iterator[str]:
    yield f"{machine.logical_id}:"
    yield "  Type: AWS::Serverless::StateMachine"
    yield "  Properties:"
    yield f"    Name: {flow({'Fn::Sub': '${AWS::StackName}-' + machine.name})}"
    yield f"    DefinitionUri: {machine.path}"
    arns = {name: {"Fn::GetAtt": [name, "Arn"]} for name in machine.functions}
    yield from ("    " + line for line in block("DefinitionSubstitutions", arns, 6))
    yield "    Logging: {Level: ERROR, Destinations: [{CloudWatchLogsLogGroup: {LogGroupArn: !GetAtt LogGroup.Arn}}]}"
    yield "    Policies:"
    yield "      - !Ref MachineLogs"
    yield "      - Statement:"
    for actions, resource in machine.allowed.items():
        yield from ("          " + line for line in _statement(actions, resource))


def _output(machine: Machine) -> Iterator[str]:
    yield f"{machine.logical_id}Arn:"
    yield f"  Value: {flow({'Ref': machine.logical_id})}"
