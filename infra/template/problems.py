"""What can go wrong in a route, and the problem document that says so."""

from typing import Any, get_args

from isthmus.failure import (
    Defect,
    Failure,
    Forbidden,
    Invalid,
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

ALWAYS: tuple[type[Failure], ...] = (Malformed, Unauthenticated, Forbidden, Invalid, Defect, Unavailable)
WITH_BODY: tuple[type[Failure], ...] = (TooLarge, WrongMediaType)


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
    return tuple(sorted(failures, key=lambda failure: (failure.status, failure.__name__)))


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
