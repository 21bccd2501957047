"""CloudFormation's intrinsic functions, evaluated on one machine.

Reference: AWS CloudFormation User Guide, "Intrinsic function reference". Resources do not exist here, so `Ref` and
`Fn::GetAtt` answer with the names and ARNs they would have in the stack.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

PARTITION, REGION, ACCOUNT = "aws", "us-east-1", "000000000000"

NO_VALUE = object()

_NAME_PROPERTIES = (
    "FunctionName",
    "StateMachineName",
    "TableName",
    "BucketName",
    "QueueName",
    "TopicName",
    "RoleName",
    "LogGroupName",
    "LayerName",
    "Name",
)
_ARNS = {
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:{name}",
    "AWS::Lambda::LayerVersion": "lambda:{region}:{account}:layer:{name}:1",
    "AWS::StepFunctions::StateMachine": "states:{region}:{account}:stateMachine:{name}",
    "AWS::DynamoDB::Table": "dynamodb:{region}:{account}:table/{name}",
    "AWS::S3::Bucket": "s3:::{name}",
    "AWS::SQS::Queue": "sqs:{region}:{account}:{name}",
    "AWS::SNS::Topic": "sns:{region}:{account}:{name}",
    "AWS::IAM::Role": "iam::{account}:role/{name}",
    "AWS::Events::Rule": "events:{region}:{account}:rule/{name}",
    "AWS::Scheduler::Schedule": "scheduler:{region}:{account}:schedule/default/{name}",
    "AWS::SecretsManager::Secret": "secretsmanager:{region}:{account}:secret:{name}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{name}:*",
    "AWS::KMS::Key": "kms:{region}:{account}:key/{name}",
}
_REF_IS_ARN = {
    "AWS::StepFunctions::StateMachine",
    "AWS::SNS::Topic",
    "AWS::SecretsManager::Secret",
    "AWS::Lambda::LayerVersion",
}
_SUBSTITUTION = re.compile(r"\$\{(!?[^}]*)\}")


class TemplateError(Exception):
    """The template says something that this runtime does not understand; the message names it."""


@dataclass(frozen=True)
class Scope:
    """What expressions of one template may refer to."""

    stack: str
    parameters: Mapping[str, Any]
    resources: Mapping[str, Any]
    conditions: Mapping[str, Any]
    mappings: Mapping[str, Any]


def resolve(value: Any, scope: Scope) -> Any:
    """The value with every intrinsic function evaluated; members that are `AWS::NoValue` disappear.

    Raises:
        TemplateError: an unknown function, or a reference to something the template does not have.
    """
    if isinstance(value, list):
        return [item for item in (resolve(item, scope) for item in value) if item is not NO_VALUE]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        name, argument = next(iter(value.items()))
        if name in _FUNCTIONS and (name != "Condition" or isinstance(argument, str)):
            return _FUNCTIONS[name](argument, scope)
        if name.startswith("Fn::"):
            raise TemplateError(f"The function {name} is not supported on one machine.")
    resolved = {key: resolve(item, scope) for key, item in value.items()}
    return {key: item for key, item in resolved.items() if item is not NO_VALUE}


def holds(name: str, scope: Scope) -> bool:
    """Whether the template's condition `name` is true."""
    if name not in scope.conditions:
        raise TemplateError(f"The template has no condition named {name}.")
    return bool(resolve(scope.conditions[name], scope))


def physical_name(logical_id: str, scope: Scope) -> str:
    """The resource's own name when the template gives one, else `<stack>-<logical id>`."""
    properties = _resource(logical_id, scope).get("Properties", {})
    for key in _NAME_PROPERTIES:
        name = resolve(properties.get(key), scope)
        if isinstance(name, str):
            return name
    return f"{scope.stack}-{logical_id}"


def arn(logical_id: str, scope: Scope) -> str:
    """The resource's ARN in account 000000000000, region us-east-1."""
    kind: str = _resource(logical_id, scope)["Type"]
    pattern = _ARNS.get(kind, kind.split("::")[1].lower() + ":{region}:{account}:{name}")
    name = physical_name(logical_id, scope)
    return f"arn:{PARTITION}:" + pattern.format(region=REGION, account=ACCOUNT, name=name)


def _resource(logical_id: str, scope: Scope) -> Mapping[str, Any]:
    if logical_id not in scope.resources:
        raise TemplateError(f"The template has no resource or parameter named {logical_id}.")
    found: Mapping[str, Any] = scope.resources[logical_id]
    return found


def _pseudo(scope: Scope) -> dict[str, Any]:
    return {
        "AWS::Region": REGION,
        "AWS::AccountId": ACCOUNT,
        "AWS::Partition": PARTITION,
        "AWS::StackName": scope.stack,
        "AWS::StackId": f"arn:{PARTITION}:cloudformation:{REGION}:{ACCOUNT}:stack/{scope.stack}/local",
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::NotificationARNs": [],
        "AWS::NoValue": NO_VALUE,
    }


def _ref(name: str, scope: Scope) -> Any:
    pseudo = _pseudo(scope)
    if name in pseudo:
        return pseudo[name]
    if name in scope.parameters:
        return scope.parameters[name]
    if _resource(name, scope)["Type"] in _REF_IS_ARN:
        return arn(name, scope)
    return physical_name(name, scope)


def _get_att(argument: str | list[str], scope: Scope) -> str:
    logical_id, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
    if attribute in ("Arn", "LayerVersionArn", "TopicArn"):
        return arn(logical_id, scope)
    if attribute in ("Name", "TableName", "QueueName"):
        return physical_name(logical_id, scope)
    if attribute == "StreamArn":
        return f"{arn(logical_id, scope)}/stream/local"
    return f"{physical_name(logical_id, scope)}.{attribute}"


def _sub(argument: str | list[Any], scope: Scope) -> str:
    text, own = argument if isinstance(argument, list) else (argument, {})

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name.startswith("!"):
            return "${" + name[1:] + "}"
        if name in own:
            return str(resolve(own[name], scope))
        return str(_get_att(name, scope) if "." in name else _ref(name, scope))

    return _SUBSTITUTION.sub(value, text)


def _join(argument: list[Any], scope: Scope) -> str:
    parts: list[Any] = resolve(argument[1], scope)
    return str(argument[0]).join(map(str, parts))


def _if(argument: list[Any], scope: Scope) -> Any:
    return resolve(argument[1] if holds(argument[0], scope) else argument[2], scope)


def _equals(argument: list[Any], scope: Scope) -> bool:
    left, right = resolve(argument, scope)
    return str(left) == str(right)


def _select(argument: list[Any], scope: Scope) -> Any:
    index, items = resolve(argument, scope)
    return items[int(index)]


def _split(argument: list[Any], scope: Scope) -> list[str]:
    delimiter, text = resolve(argument, scope)
    return str(text).split(delimiter)


def _find_in_map(argument: list[Any], scope: Scope) -> Any:
    found: Any = scope.mappings
    for key in resolve(argument, scope)[:3]:
        if key not in found:
            raise TemplateError(f"The template's mappings have no entry {key}.")
        found = found[key]
    return found


_FUNCTIONS: dict[str, Callable[[Any, Scope], Any]] = {
    "Ref": _ref,
    "Condition": holds,
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::If": _if,
    "Fn::Equals": _equals,
    "Fn::Not": lambda argument, scope: not resolve(argument[0], scope),
    "Fn::And": lambda argument, scope: all(resolve(argument, scope)),
    "Fn::Or": lambda argument, scope: any(resolve(argument, scope)),
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::FindInMap": _find_in_map,
}
