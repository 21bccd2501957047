"""Read template.yaml the way CloudFormation would, with no AWS account: what there is to run on one machine.

SAM's own transform expands the serverless resources; the intrinsic functions are then evaluated with the parameters'
defaults.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.intrinsics import Scope, TemplateError, arn, holds, physical_name, resolve
from infra.local.transform import Transformed, transform

DEFAULT_TIMEOUT_S, DEFAULT_MEMORY_MB, DEFAULT_RETRIES = 3, 128, 2
_INTEGRATED = re.compile(r"/functions/arn:[^/]*:function:([^/:]+)(?::[^/]+)?/invocations$")
_ONE_PARTITION = re.compile(
    r'\{"eventName": \["INSERT"\], "dynamodb": \{"Keys": \{"pk": \{"S": \["([^"\\]+)"\]\}\}\}\}'
)
_NAME = "isthmus"
_NO_AUTHORIZER = "NONE"
_SUBSTITUTED = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Function:
    """One Lambda function; how often a failed event is repeated, and which function is told when that was in vain."""

    id: str
    name: str
    arn: str
    handler: str
    timeout_s: float
    memory_mb: int
    environment: Mapping[str, str]
    concurrency: int | None
    retries: int = DEFAULT_RETRIES
    on_failure: str | None = None


@dataclass(frozen=True)
class Route:
    """One route of the HTTP API; method may be ANY, and both are `$default` for the route that takes the rest.

    The authorizer is the id of the function that is asked first, None for a route that asks for no proof.
    """

    method: str
    path: str
    function: str
    authorizer: str | None


@dataclass(frozen=True)
class Schedule:
    """One EventBridge rule or schedule; the target is a function's or a machine's name."""

    name: str
    arn: str
    expression: str
    source: str
    target: str
    starts_machine: bool
    input: str | None


@dataclass(frozen=True)
class Follower:
    """One mapping from the table's stream: new rows of the partition start the function, named by its id."""

    function: str
    stream: str
    partition: str
    retries: int


@dataclass(frozen=True)
class Machine:
    """One state machine, its definition ready to be interpreted."""

    name: str
    arn: str
    definition: dict[str, Any]


@dataclass(frozen=True)
class Stack:
    """Everything in the template that runs."""

    functions: tuple[Function, ...]
    routes: tuple[Route, ...]
    schedules: tuple[Schedule, ...]
    followers: tuple[Follower, ...]
    machines: tuple[Machine, ...]


def expand(template: Path, parameters: Mapping[str, str] | None = None) -> Stack:
    """The functions, routes, schedules, followers and machines of a SAM template.

    Raises:
        TemplateError: the template cannot be read, transformed or resolved; the message says which part.
    """
    given = dict(parameters or {})
    return stack_of(transform(template, given), template.parent, given)


def stack_of(transformed: Transformed, folder: Path, parameters: Mapping[str, str] | None = None) -> Stack:
    """The same of what SAM's transform gave.

    Args:
        transformed: a template of CloudFormation's own resources.
        folder: where the template is, and the definitions of its state machines.
        parameters: those that shall not have their defaults.

    Raises:
        TemplateError: it cannot be resolved; the message says which part.
    """
    template, given = transformed.template, parameters or {}
    declared: Mapping[str, Any] = template.get("Parameters", {})
    if unknown := sorted(set(given) - set(declared)):
        raise TemplateError(f"The template has no parameter named {unknown[0]}.")
    scope = Scope(
        stack=_NAME,
        parameters={name: _parameter(about, given.get(name)) for name, about in declared.items()},
        resources=template["Resources"],
        conditions=template.get("Conditions", {}),
        mappings=template.get("Mappings", {}),
    )
    functions = tuple(_functions(scope))
    names = {function.name: function.id for function in functions}
    return Stack(
        functions,
        tuple(_routes(scope, names)),
        tuple(_schedules(scope)),
        tuple(_followers(scope, names)),
        tuple(_machines(scope, folder, transformed.definitions)),
    )


def _parameter(about: Mapping[str, Any], given: str | None) -> Any:
    """A parameter's value: what was given, else its default, else nothing."""
    value = str(about.get("Default", "") if given is None else given)
    if str(about.get("Type", "")).startswith(("CommaDelimitedList", "List<")):
        return value.split(",")
    return value


def _live(scope: Scope, *kinds: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The resources of these types whose condition holds, with their properties resolved."""
    for logical_id, resource in scope.resources.items():
        if resource["Type"] not in kinds or ("Condition" in resource and not holds(resource["Condition"], scope)):
            continue
        yield logical_id, resolve(resource.get("Properties", {}), scope)


def _functions(scope: Scope) -> Iterator[Function]:
    handling = {str(one["FunctionName"]): one for _, one in _live(scope, "AWS::Lambda::EventInvokeConfig")}
    for logical_id, properties in _live(scope, "AWS::Lambda::Function"):
        variables = properties.get("Environment", {}).get("Variables", {})
        environment = {name: str(value) for name, value in variables.items()}
        logging = properties.get("LoggingConfig", {})
        if logging.get("LogFormat") == "JSON":
            environment |= {"AWS_LAMBDA_LOG_FORMAT": "JSON"}
            environment |= {"AWS_LAMBDA_LOG_LEVEL": logging.get("ApplicationLogLevel", "INFO")}
        reserved = properties.get("ReservedConcurrentExecutions")
        name = physical_name(logical_id, scope)
        on_events = handling.get(name, {})
        told = on_events.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        yield Function(
            id=logical_id,
            name=name,
            arn=arn(logical_id, scope),
            handler=str(properties["Handler"]),
            timeout_s=float(properties.get("Timeout", DEFAULT_TIMEOUT_S)),
            memory_mb=int(properties.get("MemorySize", DEFAULT_MEMORY_MB)),
            environment=environment,
            concurrency=None if reserved is None else int(reserved),
            retries=int(on_events.get("MaximumRetryAttempts", DEFAULT_RETRIES)),
            on_failure=_function_in(told),
        )


def _function_in(destination: Any) -> str | None:
    """The name of the function that a destination is; what goes to a queue ends here, where there is none."""
    parts = str(destination).split(":")
    return parts[6] if parts[2:3] == ["lambda"] else None


def _routes(scope: Scope, names: Mapping[str, str]) -> Iterator[Route]:
    """The routes in the OpenAPI body that SAM writes for an HTTP API."""
    for logical_id, properties in _live(scope, "AWS::ApiGatewayV2::Api"):
        body = properties.get("Body", {})
        schemes = body.get("components", {}).get("securitySchemes", {})
        authorizers = {name: _authorizer(name, scheme, names) for name, scheme in schemes.items()}
        for path, methods in body.get("paths", {}).items():
            for method, about in methods.items():
                function = _integrated(about.get("x-amazon-apigateway-integration", {}).get("uri"), names)
                if function is None:
                    raise TemplateError(
                        f"The route {method} {path} of {logical_id} leads to no function of the template."
                    )
                required = {scheme for one in about.get("security", []) for scheme in one} - {_NO_AUTHORIZER}
                if len(required) > 1 or required - authorizers.keys():
                    raise TemplateError(f"The route {method} {path} of {logical_id} has no authorizer of the template.")
                verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
                rest = path in ("$default", "/$default")  # the second is how an imported OpenAPI document writes it
                asked = authorizers[required.pop()] if required else None
                yield Route("$default" if rest else verb, "$default" if rest else path, function, asked)


def _authorizer(name: str, scheme: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """The function behind a security scheme: a Lambda authorizer that is asked for every request.

    Raises:
        TemplateError: it is another kind of authorizer, or one whose answers are kept.
    """
    about = scheme.get("x-amazon-apigateway-authorizer", {})
    if about.get("type") != "request" or about.get("authorizerPayloadFormatVersion") != "2.0":
        raise TemplateError(f"The authorizer {name} is no Lambda function with payload format 2.0.")
    if about.get("enableSimpleResponses") is not True:
        raise TemplateError(f"The authorizer {name} does not give simple responses.")
    if about.get("authorizerResultTtlInSeconds") or about.get("identitySource"):
        raise TemplateError(f"The answers of the authorizer {name} are kept, which one machine does not do.")
    function = _integrated(about.get("authorizerUri"), names)
    if function is None:
        raise TemplateError(f"The authorizer {name} is no function of the template.")
    return function


def _integrated(uri: str | None, names: Mapping[str, str]) -> str | None:
    """The id of the function that API Gateway's address of an integration or authorizer names."""
    found = _INTEGRATED.search(uri or "")
    return names.get(found[1]) if found else None


def _schedules(scope: Scope) -> Iterator[Schedule]:
    """EventBridge rules with a schedule (SAM's Schedule) and EventBridge Scheduler's schedules (SAM's ScheduleV2)."""
    for logical_id, properties in _live(scope, "AWS::Events::Rule", "AWS::Scheduler::Schedule"):
        if "ScheduleExpression" not in properties or properties.get("State", "ENABLED") != "ENABLED":
            continue
        if properties.get("ScheduleExpressionTimezone", "UTC") != "UTC":
            raise TemplateError(f"The schedule {logical_id} is not in UTC, which is all that one machine supports.")
        targets = properties["Targets"] if "Targets" in properties else [properties["Target"]]
        for target in targets:
            service, name = str(target["Arn"]).split(":")[2], str(target["Arn"]).split(":")[6]
            if service not in ("lambda", "states"):
                raise TemplateError(f"The schedule {logical_id} has a target of {service}, which cannot run here.")
            yield Schedule(
                name=physical_name(logical_id, scope),
                arn=arn(logical_id, scope),
                expression=str(properties["ScheduleExpression"]),
                source="aws.events" if "Targets" in properties else "aws.scheduler",
                target=name,
                starts_machine=service == "states",
                input=target.get("Input"),
            )


def _followers(scope: Scope, names: Mapping[str, str]) -> Iterator[Follower]:
    """Event source mappings from a table's stream whose one filter is for what is inserted into one partition."""
    for logical_id, properties in _live(scope, "AWS::Lambda::EventSourceMapping"):
        stream, filters = str(properties["EventSourceArn"]), properties.get("FilterCriteria", {}).get("Filters", [])
        found = _ONE_PARTITION.fullmatch(filters[0]["Pattern"]) if len(filters) == 1 else None
        if found is None or stream.split(":")[2] != "dynamodb":
            raise TemplateError(f"{logical_id} follows something else than what is inserted into one partition.")
        retries = int(properties.get("MaximumRetryAttempts", DEFAULT_RETRIES))
        yield Follower(names[properties["FunctionName"]], stream, found[1], retries)


def _machines(scope: Scope, root: Path, files: Mapping[str, str]) -> Iterator[Machine]:
    for logical_id, properties in _live(scope, "AWS::StepFunctions::StateMachine"):
        text = _definition(logical_id, properties, root, files)
        try:
            definition = json.loads(_substituted(text, properties.get("DefinitionSubstitutions", {})))
        except ValueError as error:
            raise TemplateError(f"The definition of {logical_id} is not valid JSON.") from error
        yield Machine(physical_name(logical_id, scope), arn(logical_id, scope), definition)


def _substituted(text: str, values: Mapping[str, Any]) -> str:
    return _SUBSTITUTED.sub(lambda match: str(values.get(match[1], match[0])), text)


def _definition(logical_id: str, properties: Mapping[str, Any], root: Path, files: Mapping[str, str]) -> str:
    if logical_id not in files:
        return str(properties["DefinitionString"])
    try:
        return (root / files[logical_id]).read_text()
    except OSError as error:
        raise TemplateError(f"{files[logical_id]}, the definition of {logical_id}, cannot be read.") from error
