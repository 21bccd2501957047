"""What can go wrong in a route, and the problem document that says so."""

from collections.abc import Iterable
from typing import Any, get_args

from isthmus.failure import (
    Defect,
    Failure,
    Forbidden,
    Invalid,
    Limited,
    Malformed,
    MoneyMoved,
    Repeat,
    Severity,
    TooLarge,
    Unauthenticated,
    Unavailable,
    WrongMediaType,
)
from isthmus.operation import Operation

ALWAYS: tuple[type[Failure], ...] = (Malformed, Invalid, Limited, Defect, Unavailable)
UNLESS_PUBLIC: tuple[type[Failure], ...] = (Unauthenticated, Forbidden)
WITH_BODY: tuple[type[Failure], ...] = (TooLarge, WrongMediaType)

_BY_GATEWAY = (413, 429, 500, 503)
_HEADERS: dict[int, tuple[str, bool, str]] = {
    202: ("location", False, "The resource that will know what became of it."),
    401: ("www-authenticate", True, "The proofs that are taken (RFC 9110 section 11.6.1)."),
    429: ("retry-after", False, "After how many seconds to ask again, if that is known."),
    503: ("retry-after", False, "After how many seconds to ask again, if that is known."),
}
"""What refusals of a status carry besides the headers of every answer: name, whether always, meaning."""


def tree(root: type[Failure] = Failure) -> list[type[Failure]]:
    """Every kind of failure of the library, a parent before its children."""
    own = [child for child in root.__subclasses__() if child.__module__ == Failure.__module__]
    return [found for child in own for found in (child, *tree(child))]


def has_body(operation: Operation) -> bool:
    """Whether the route's request stands in a JSON body."""
    return operation.method not in ("GET", "DELETE")


def possible(operation: Operation) -> tuple[type[Failure], ...]:
    """Everything a route may answer instead of its response, by status."""
    failures = {*ALWAYS, *operation.errors, *(WITH_BODY if has_body(operation) else ())}
    failures |= set() if operation.public else {*UNLESS_PUBLIC}
    return tuple(sorted(failures, key=lambda failure: (failure.status, failure.__name__)))


def refusal(status: int, failures: Iterable[type[Failure]]) -> dict[str, Any]:
    """The OpenAPI response for failures of one status."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    if status in _BY_GATEWAY:
        content["application/json"] = {"schema": {"$ref": "#/components/schemas/GatewayMessage"}}
    described = {"description": "; or ".join(dict.fromkeys(failure.title for failure in failures))}
    if status not in _HEADERS:
        return {**described, "content": content}
    name, required, meaning = _HEADERS[status]
    header = {"description": meaning, "required": required, "schema": {"type": "string"}}
    return {**described, "headers": {name: header}, "content": content}


def gateway_schema() -> dict[str, Any]:
    """What API Gateway itself answers: too many or too large requests, a function that did not answer at all."""
    return {
        "type": "object",
        "description": "API Gateway's own answer, given before or instead of the operation's.",
        "properties": {"message": {"type": "string"}},
        "required": ["message"],
    }


def problem_schema() -> dict[str, Any]:
    """RFC 9457, with the answers to: did money move, may I repeat, what next?"""
    text = {"type": "string"}
    code = {"anyOf": [text, {"type": "integer"}]}
    fields: dict[str, Any] = {
        "type": {**text, "format": "uri-reference", "description": "`/problems/<kind>`, and what exactly after that."},
        "title": {**text, "description": "The same for every problem of this type."},
        "status": {"enum": sorted({failure.status for failure in tree()})},
        "detail": {**text, "description": "What happened, in one sentence."},
        "instance": {**text, "description": "The id of this request, as in the header x-request-id and in the logs."},
        "next_step": {**text, "description": "What the reader can do about it."},
        "kind": {"enum": sorted({failure.kind for failure in tree()})},
        "severity": {"enum": list(get_args(Severity))},
        "money_moved": {"enum": list(get_args(MoneyMoved)), "description": "Whether an effect may have happened."},
        "repeat": {"enum": list(get_args(Repeat)), "description": "Whether and how the request may be repeated."},
    }
    optional: dict[str, Any] = {
        "errors": {
            "type": "array",
            "description": "The refused fields.",
            "items": {
                "type": "object",
                "properties": {"pointer": {**text, "format": "json-pointer"}, "message": text},
                "required": ["pointer", "message"],
                "additionalProperties": False,
            },
        },
        "upstream": {
            "type": "object",
            "description": "The neighbour that refused, and its own code.",
            "properties": {"system": text, "code": code},
            "required": ["system", "code"],
            "additionalProperties": False,
        },
        "retry_after_ms": {"type": "integer", "minimum": 0},
        "group": {**text, "description": "Which failures have the same cause: `get_group` says what is known of them."},
    }
    return {
        "type": "object",
        "description": "Why there is no answer: a problem document (RFC 9457).",
        "properties": fields | optional,
        "required": list(fields),
        "additionalProperties": False,
    }
