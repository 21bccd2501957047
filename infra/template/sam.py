"""template.yaml: the hand-written base with one block for each operation, port and state machine."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from infra.template.flow import block, flow
from infra.template.machines import Machine
from isthmus.operation import Effect, Operation, Service
from isthmus.ports import COSTS, SCHEDULED, BitcoinNode, Cost, Table

_BASE = Path(__file__).with_name("base.yaml")
_DEFAULT_TIMEOUT_S = 29
_DEFAULT_MEMORY_MB = 512
_REPORTS, _BREAKERS, _FOLLOWERS = "FaultReports", "Breakers", "Followers"
_NO_VALUE = {"Ref": "AWS::NoValue"}
_OF_PAYMENTS = ("ledger/*", "journal/*", "access/budgets", "access/budgets/*")
_WRITES: dict[str, tuple[str, ...]] = {
    "auth": ("access/*",),
    "bitcoin": ("bitcoin/*", "journal/bitcoin/*", "journal/outbox"),
    "ledger": _OF_PAYMENTS,
    "state": ("journal/*",),
}
"""Which partitions of the table a domain writes, where they are not just those that begin with its own name; what
spends writes those of payments besides."""

_RETRIES = {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 900}
_UNDELIVERED = {"Type": "SQS", "Destination": {"Fn::GetAtt": ["Undelivered", "Arn"]}}
_BATCHES = {
    "BatchSize": 1000,
    "MaximumBatchingWindowInSeconds": 1,
    "MaximumRetryAttempts": 2,
    "MaximumRecordAgeInSeconds": 300,
    "ParallelizationFactor": 1,
    "DestinationConfig": {"OnFailure": {"Destination": _UNDELIVERED["Destination"]}},
}
_VPC = {"Fn::If": ["InVpc", {n: {"Ref": n} for n in ("SubnetIds", "SecurityGroupIds")}, _NO_VALUE]}


def render(operations: Iterable[Operation], machines: Iterable[Machine]) -> str:
    """The whole template.

    Raises:
        ValueError: two things would have the same logical id, or not exactly one operation is what the base asks for.
    """
    listed, started = tuple(operations), tuple(machines)
    text = _with_services(_BASE.read_text(), listed)
    for marker, lines in {
        "environment": _environment(COSTS.values()),
        "policies": [line for policy in _used(listed) for line in _policy(policy, listed)],
        "functions": [line for one in listed for line in (*_function(one, _letters(listed)), *_following(one))],
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


def _with_services(text: str, operations: Iterable[Operation]) -> str:
    """The text with the logical id of the operation in the place of `<authorizer>` and `<dead-letters>`."""
    for service in (name for name in get_args(Service) if f"<{name}>" in text):
        serving = [logical_id(operation) for operation in operations if operation.service == service]
        if len(serving) != 1:
            raise ValueError(f"one operation has to be the {service}, not {len(serving)}")
        text = text.replace(f"<{service}>", serving[0])
    return text


def _filled(text: str, marker: str, lines: Iterable[str]) -> str:
    """The text with lines in the place of the marker's line, or with neither when there are none."""
    before, after = text.split(f"# + {marker}\n")
    indent = before[before.rindex("\n") + 1 :]
    block = "".join(indent + line + "\n" if line else "\n" for line in lines)
    return before[: -len(indent)] + block + (after if block else after.removeprefix("\n"))


def _environment(costs: Iterable[Cost]) -> list[str]:
    return [f"{name}: {flow(value)}" for cost in costs for name, value in cost.environment.items()]


@dataclass(frozen=True, order=True)
class Policy:
    """What one port allows at the level Read, Change or Spend; for changing the table, in which of its partitions."""

    port: str
    level: str
    domain: str
    partitions: tuple[str, ...]

    @property
    def logical_id(self) -> str:
        """`TableRead`, `BlobsChange`, `TableChangeFaults`, `TableSpendBitcoin`."""
        return self.port + self.level + self.domain.capitalize()


def _policies(operation: Operation) -> list[Policy]:
    """The policy of each port among an operation's parameters that allows anything."""
    priced = [port for port in operation.ports.values() if port in COSTS]
    return [_policy_of(operation, port) for port in priced if COSTS[port].read or COSTS[port].change]


def _policy_of(operation: Operation, port: type) -> Policy:
    if operation.effect is Effect.READ or not COSTS[port].change:
        return Policy(port.__name__, "Read", "", ())
    if port is not Table:
        return Policy(port.__name__, "Change", "", ())
    partitions = _WRITES.get(operation.domain, (f"{operation.domain}/*",))
    if operation.effect is Effect.SPEND:
        return Policy(port.__name__, "Spend", operation.domain, (*partitions, *_OF_PAYMENTS))
    return Policy(port.__name__, "Change", operation.domain, partitions)


def _used(operations: Iterable[Operation]) -> list[Policy]:
    return sorted({policy for operation in operations for policy in _policies(operation)})


def _policy(policy: Policy, operations: Iterable[Operation]) -> Iterator[str]:
    cost = next(cost for port, cost in COSTS.items() if port.__name__ == policy.port)
    scheduled = [{"Fn::GetAtt": [logical_id(one), "Arn"]} for one in operations if one.schedule]
    yield f"{policy.logical_id}:"
    yield "  Type: AWS::IAM::ManagedPolicy"
    yield "  Properties:"
    yield "    PolicyDocument:"
    yield '      Version: "2012-10-17"'
    yield "      Statement:"
    for grant in cost.read:
        yield from ("        " + line for line in _statement(grant.actions, grant.resource))
    for grant in cost.change if policy.level != "Read" else ():
        resource = scheduled if grant.resource == SCHEDULED else grant.resource
        yield from ("        " + line for line in _statement(grant.actions, resource))
        if policy.partitions:
            yield "          Condition:"
            yield f'            ForAllValues:StringLike: {{"dynamodb:LeadingKeys": {flow(list(policy.partitions))}}}'
            yield '            "Null": {"dynamodb:LeadingKeys": "false"}'


def _statement(actions: Iterable[str], resource: Any) -> Iterator[str]:
    yield "- Effect: Allow"
    yield f"  Action: {flow(list(actions))}"
    yield from ("  " + line for line in block("Resource", resource, 14))


def _letters(operations: Iterable[Operation]) -> str:
    """The logical id of the function that keeps events which failed for good, if there is one."""
    return next((logical_id(operation) for operation in operations if operation.service == "dead-letters"), "")


def _function(operation: Operation, letters: str) -> Iterator[str]:
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
    policies = [_REPORTS, *([_BREAKERS] if _meets_breakers(operation) else ())]
    policies += [_FOLLOWERS] if operation.follows else []
    policies += [policy.logical_id for policy in _policies(operation)]
    yield f"    Policies: {flow([{'Ref': name} for name in policies])}"
    if failed := _on_failure(operation, letters):
        invoked = {**_RETRIES, "DestinationConfig": {"OnFailure": failed}}
        yield from ("    " + line for line in block("EventInvokeConfig", invoked, 6))
    if events := _events(operation):
        yield from ("    " + line for line in block("Events", events, 6))


def _following(operation: Operation) -> Iterator[str]:
    """How new rows in a partition start the function, if it follows one; what it fails on its schedule does."""
    if operation.follows is None:
        return
    pattern = {"eventName": ["INSERT"], "dynamodb": {"Keys": {"pk": {"S": [operation.follows]}}}}
    mapping = {
        "FunctionName": {"Ref": logical_id(operation)},
        "EventSourceArn": {"Fn::GetAtt": ["Table", "StreamArn"]},
        "StartingPosition": "LATEST",
        "FilterCriteria": {"Filters": [{"Pattern": json.dumps(pattern)}]},
        **_BATCHES,
    }
    yield f"{logical_id(operation)}Follows:"
    yield "  Type: AWS::Lambda::EventSourceMapping"
    yield from ("  " + line for line in block("Properties", mapping, 4))


def _meets_breakers(operation: Operation) -> bool:
    return operation.guarded and (bool(operation.neighbours) or operation.effect is Effect.SPEND)


def _on_failure(operation: Operation, letters: str) -> dict[str, Any] | None:
    """Where asynchronous events go that a function failed on for good: to the letters; their own to a queue."""
    if operation.service == "dead-letters":
        return _UNDELIVERED
    if operation.schedule and letters:
        return {"Type": "Lambda", "Destination": {"Fn::GetAtt": [letters, "Arn"]}}
    return None


def _events(operation: Operation) -> dict[str, Mapping[str, Any]]:
    events: dict[str, Mapping[str, Any]] = {}
    if operation.route:
        route = {"Method": operation.method, "Path": operation.path} if operation.path != "$default" else {}
        unproven = {"Auth": {"Authorizer": "NONE"}} if operation.public else {}
        events["Http"] = {"Type": "HttpApi", "Properties": {"ApiId": {"Ref": "Api"}, **route, **unproven}}
    if operation.schedule:
        events["Schedule"] = {"Type": "ScheduleV2", "Properties": _schedule(operation)}
    return events


def _schedule(operation: Operation) -> dict[str, Any]:
    """The input is spelled out, because in EventBridge Scheduler's own event the detail is text."""
    return {
        "ScheduleExpression": operation.schedule,
        "OmitName": True,
        "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 300},
        "DeadLetterConfig": {"Arn": {"Fn::GetAtt": ["Undelivered", "Arn"]}},
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
