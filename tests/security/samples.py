"""The plainest request that an operation accepts, and the events that bring it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as regex  # type: ignore[attr-defined]
from typing import Any

import orjson

from isthmus.access.caller import Caller
from isthmus.fields import FromHeader
from isthmus.operation import Operation
from isthmus.request import Channel
from tests.callers import authorizer

BY_HAND: dict[str, dict[str, Any]] = {}
"""Fields of requests, by operation, that must fulfil more than their schema says."""


def plainest(operation: Operation) -> dict[str, Any]:
    """The required fields of an operation's request, each with about the simplest value its schema allows."""
    schema = operation.request.model_json_schema()
    return _value(schema, schema.get("$defs", {})) | BY_HAND.get(operation.action.name, {})


def event(channel: Channel, operation: Operation, caller: Caller, fields: Mapping[str, Any]) -> dict[str, Any]:
    """What Lambda would be given for a request."""
    if channel is Channel.TASK:
        return {"execution": caller.id, "request": dict(fields)}
    if channel is Channel.SCHEDULE:
        return {"source": "aws.scheduler", "resources": [caller.id], "detail": dict(fields)}
    if channel is Channel.STREAM:
        keys = {"pk": {"S": "journal/outbox"}, "sk": {"S": "1"}}
        told = {"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": {"Keys": keys, "NewImage": fields}}
        return {"Records": [told], "detail": fields, "request": fields}
    if channel is Channel.LETTER:
        told = {"functionArn": "arn:aws:lambda:eu-central-1:1:function:f", "condition": "RetriesExhausted"}
        context = {"requestId": "r", "approximateInvokeCount": 3, **told}
        return {"version": "1.0", "requestContext": context, "requestPayload": {}, "responsePayload": {}}
    return _http(operation, caller, fields)


def _http(operation: Operation, caller: Caller, fields: Mapping[str, Any]) -> dict[str, Any]:
    method = operation.method if operation.method not in (None, "ANY") else "POST"
    in_path = {name: str(value) for name, value in fields.items() if f"{{{name}}}" in str(operation.path)}
    headers = {_header_of(operation, name): str(value) for name, value in fields.items()}
    rest = {name: value for name, value in fields.items() if name not in in_path and not _header_of(operation, name)}
    made: dict[str, Any] = {
        "version": "2.0",
        "rawPath": operation.path or "/",
        "headers": {
            **{name: value for name, value in headers.items() if name is not None and not name.startswith(":")},
            "content-type": "application/json",
            "host": "api.example",
        },
        "pathParameters": in_path,
        "requestContext": {
            "requestId": "r",
            "domainName": "api.example",
            "http": {"method": method, "path": operation.path or "/", "sourceIp": "192.0.2.1"},
            "authorizer": authorizer(caller),
        },
    }
    if method in ("GET", "DELETE"):
        return made | {"queryStringParameters": {name: str(value) for name, value in rest.items()}}
    return made | {"body": orjson.dumps(rest).decode()}


def _header_of(operation: Operation, field: str) -> str | None:
    """The header that alone may say a field; `:origin` is made of what every event here has."""
    metadata = operation.request.model_fields[field].metadata
    return next((one.name for one in metadata if isinstance(one, FromHeader)), None)


def _value(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    if "$ref" in schema:
        return _value(known[schema["$ref"].rsplit("/", 1)[1]], known)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return _value(options[0], known)
    return _OF_TYPE[schema.get("type", "object")](schema, known)


def _object(schema: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(schema["properties"][name], known) for name in schema.get("required", [])}


def _number(schema: Mapping[str, Any], known: Mapping[str, Any]) -> int:
    return int(max(schema.get("minimum", 0), schema.get("exclusiveMinimum", -1) + 1))


def _text(schema: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """The shortest text of a pattern, by its first alternatives."""
    if "pattern" not in schema:
        return "x" * int(schema.get("minLength", 0))
    return "".join(_matching(regex.parse(schema["pattern"])))


def _matching(tokens: Iterable[tuple[Any, Any]]) -> Iterator[str]:
    for token, told in tokens:
        if token is codes.LITERAL:
            yield chr(told)
        elif token is codes.IN:
            kind, first = told[0]
            yield chr(first[0] if kind is codes.RANGE else first) if kind is not codes.CATEGORY else "0"
        elif token in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            yield from list(_matching(told[2])) * told[0]
        elif token is codes.SUBPATTERN:
            yield from _matching(told[3])
        elif token is codes.BRANCH:
            yield from _matching(told[1][0])
        elif token is codes.ANY:
            yield "x"


_OF_TYPE: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Any]] = {
    "object": _object,
    "array": lambda schema, known: [_value(schema["items"], known)] * schema.get("minItems", 0),
    "string": _text,
    "integer": _number,
    "number": _number,
    "boolean": lambda schema, known: False,
}
