"""What the fields of a definition may hold: one check per field, each yielding the faults it finds with their place."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from infra.local.states.choices import COMPARISONS, CONNECTIVES, OPERATORS, timestamp
from infra.local.states.errors import ALL
from infra.local.states.intrinsics import parse_expression
from infra.local.states.paths import parse_path, parse_reference
from isthmus.failure import FieldError

MAX_SECONDS = 99_999_999
MAX_DELAY_SECONDS = 31_622_400
INVOKE = re.compile(r"arn:aws[a-z-]*:states:::lambda:invoke")
_FUNCTION = re.compile(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_-]+(:[A-Za-z0-9$_-]+)?")

Faults = Iterator[FieldError]
Check = Callable[[Any, str], Faults]
"""Yields the faults of a value at a place, an RFC 6901 pointer."""

UNSUPPORTED = {
    "Assign": "variables are not supported here",
    "Output": "it belongs to JSONata, and this runtime speaks JSONPath",
    "Arguments": "it belongs to JSONata, and this runtime speaks JSONPath",
    "Items": "it belongs to JSONata, and this runtime speaks JSONPath",
    "Condition": "it belongs to JSONata, and this runtime speaks JSONPath",
    "HeartbeatSeconds": "heartbeats are not supported here",
    "HeartbeatSecondsPath": "heartbeats are not supported here",
    "Credentials": "tasks in other accounts are not supported here",
    "ItemReader": "a Map takes its items from its input only",
    "ItemBatcher": "a Map takes its items one by one",
    "ResultWriter": "a Map's results are its output only",
}


def fault(at: str, name: str, message: str) -> FieldError:
    """A fault in the field `name` of what stands at `at`."""
    return FieldError(f"{at}/{name.replace('~', '~0').replace('/', '~1')}", message)


def value(test: Callable[[Any], object]) -> Check:
    """A check made of something that raises ValueError with the complaint."""

    def check(candidate: Any, at: str) -> Faults:
        try:
            test(candidate)
        except ValueError as complaint:
            yield FieldError(at, str(complaint))

    return check


def fields(allowed: Mapping[str, Check], what: str) -> Check:
    """A check of an object that has no other fields than these."""

    def check(candidate: Any, at: str) -> Faults:
        if not isinstance(candidate, dict):
            yield FieldError(at, f"a {what} must be an object")
            return
        for name, inner in candidate.items():
            if name in allowed:
                yield from allowed[name](inner, fault(at, name, "").pointer)
            else:
                yield fault(at, name, UNSUPPORTED.get(name, f"{name} is no field of a {what}"))

    return check


def items(check_item: Check) -> Check:
    """A check of an array that has at least one item."""

    def check(candidate: Any, at: str) -> Faults:
        if not isinstance(candidate, list) or not candidate:
            yield FieldError(at, "must be an array with at least one item")
            return
        for index, item in enumerate(candidate):
            yield from check_item(item, f"{at}/{index}")

    return check


def exactly_one(candidate: Mapping[str, Any], at: str, names: Iterable[str]) -> Faults:
    """A fault unless one of the fields is there, and only one."""
    if len(set(names) & candidate.keys()) != 1:
        yield FieldError(at, f"must have exactly one of {', '.join(names)}")


def at_most_one(candidate: Mapping[str, Any], at: str, names: Iterable[str]) -> Faults:
    """A fault if two of the fields are there."""
    if len(set(names) & candidate.keys()) > 1:
        yield FieldError(at, f"may have only one of {', '.join(names)}")


def _need(holds: object, complaint: str) -> None:
    if not holds:
        raise ValueError(complaint)


def _text(candidate: Any) -> str:
    _need(isinstance(candidate, str), "must be a string")
    return str(candidate)


def _resource(candidate: Any) -> None:
    arn = _text(candidate)
    _need(
        INVOKE.fullmatch(arn) or _FUNCTION.fullmatch(arn),
        "must be the ARN of a Lambda function or arn:aws:states:::lambda:invoke",
    )


def _one_of(*allowed: str) -> Callable[[Any], None]:
    return lambda candidate: _need(candidate in allowed, f"must be one of {', '.join(allowed)}")


def _integer(least: int, most: int) -> Callable[[Any], None]:
    def test(candidate: Any) -> None:
        whole = isinstance(candidate, int) and not isinstance(candidate, bool)
        _need(whole and least <= candidate <= most, f"must be an integer from {least} to {most}")

    return test


def _number(least: float, most: float) -> Callable[[Any], None]:
    def test(candidate: Any) -> None:
        number = isinstance(candidate, int | float) and not isinstance(candidate, bool)
        _need(number and least <= candidate <= most, f"must be a number from {least:g} to {most:g}")

    return test


def _or_null(test: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda candidate: candidate is None or test(candidate)


def _path(candidate: Any) -> None:
    parse_path(_text(candidate))


def _expression(candidate: Any) -> None:
    parse_expression(_text(candidate))


def _timestamp(candidate: Any) -> None:
    _need(timestamp(candidate), "must be an RFC 3339 timestamp such as 2026-03-14T01:59:00Z")


def _boolean(candidate: Any) -> None:
    _need(isinstance(candidate, bool), "must be true or false")


def _query_language(candidate: Any) -> None:
    _need(candidate == "JSONPath", "this runtime speaks JSONPath only; write the definition in JSONPath")


def template(candidate: Any, at: str) -> Faults:
    """The faults of a payload template."""
    if isinstance(candidate, list):
        for index, item in enumerate(candidate):
            yield from template(item, f"{at}/{index}")
    elif isinstance(candidate, dict):
        for name, inner in candidate.items():
            here = fault(at, name, "").pointer
            if not name.endswith(".$"):
                yield from template(inner, here)
            elif name[:-2] in candidate:
                yield FieldError(here, f"{name[:-2]} is there twice")
            else:
                yield from value(_expression)(inner, here)


def _object_template(candidate: Any, at: str) -> Faults:
    if isinstance(candidate, dict):
        yield from template(candidate, at)
    else:
        yield FieldError(at, "must be an object")


def _error_names(candidate: Any, at: str) -> Faults:
    yield from items(value(_text))(candidate, at)
    if isinstance(candidate, list) and ALL in candidate and len(candidate) > 1:
        yield FieldError(at, f"{ALL} must stand alone")


def _all_comes_last(check_items: Check) -> Check:
    def check(candidate: Any, at: str) -> Faults:
        found = list(check_items(candidate, at))
        yield from found
        if not found and any(ALL in handler["ErrorEquals"] for handler in candidate[:-1]):
            yield FieldError(at, f"{ALL} must be in the last of them")

    return check


def _having(name: str, check_object: Check) -> Check:
    def check(candidate: Any, at: str) -> Faults:
        yield from check_object(candidate, at)
        if isinstance(candidate, dict) and name not in candidate:
            yield FieldError(at, f"must have the field {name}")

    return check


_RETRIER = {
    "ErrorEquals": _error_names,
    "IntervalSeconds": value(_integer(1, MAX_SECONDS)),
    "MaxAttempts": value(_integer(0, MAX_SECONDS)),
    "BackoffRate": value(_number(1, MAX_SECONDS)),
    "MaxDelaySeconds": value(_integer(1, MAX_DELAY_SECONDS)),
    "JitterStrategy": value(_one_of("FULL", "NONE")),
    "Comment": value(_text),
}
_CATCHER = {
    "ErrorEquals": _error_names,
    "Next": value(_text),
    "ResultPath": value(_or_null(lambda candidate: parse_reference(_text(candidate)))),
    "Comment": value(_text),
}


def _rule(candidate: Any, at: str, *, nested: bool) -> Faults:
    if not isinstance(candidate, dict):
        yield FieldError(at, "a choice rule must be an object")
        return
    if ("Next" in candidate) == nested:
        yield FieldError(at, "only the outermost rule has a Next" if nested else "must have the field Next")
    yield from exactly_one(candidate, at, sorted(CONNECTIVES | (OPERATORS & candidate.keys() or {"an operator"})))
    if OPERATORS & candidate.keys() and "Variable" not in candidate:
        yield FieldError(at, "must have the field Variable")
    yield from fields(_RULE, "choice rule")(candidate, at)


def _operand(name: str) -> Check:
    if name.endswith("Path"):
        return value(_path)
    if name in COMPARISONS:
        kinds = (("String", _text), ("Numeric", _number(-1e400, 1e400)), ("Timestamp", _timestamp))
        return value(next((test for kind, test in kinds if name.startswith(kind)), _boolean))
    return value(_text if name == "StringMatches" else _boolean)


def _nested_rule(candidate: Any, at: str) -> Faults:
    yield from _rule(candidate, at, nested=True)


def _top_rule(candidate: Any, at: str) -> Faults:
    yield from _rule(candidate, at, nested=False)


_RULE: dict[str, Check] = {
    "And": items(_nested_rule),
    "Or": items(_nested_rule),
    "Not": _nested_rule,
    "Variable": value(_path),
    "Next": value(_text),
    "Comment": value(_text),
    **{name: _operand(name) for name in OPERATORS},
}

ANYWHERE: dict[str, Check] = {"Comment": value(_text), "QueryLanguage": value(_query_language)}
STATE: dict[str, Check] = {**ANYWHERE, "Type": value(_text)}
FILTERS: dict[str, Check] = {"InputPath": value(_or_null(_path)), "OutputPath": value(_or_null(_path))}
LEAVING: dict[str, Check] = {
    "Next": value(_text),
    "End": value(lambda candidate: _need(candidate is True, "must be true")),
}
RESULT: dict[str, Check] = {
    "Parameters": _object_template,
    "ResultPath": value(_or_null(lambda candidate: parse_reference(_text(candidate)))),
}
CALLING: dict[str, Check] = {
    **RESULT,
    "ResultSelector": _object_template,
    "Retry": _all_comes_last(items(_having("ErrorEquals", fields(_RETRIER, "retrier")))),
    "Catch": _all_comes_last(items(_having("Next", _having("ErrorEquals", fields(_CATCHER, "catcher"))))),
}
PASS: dict[str, Check] = {**RESULT, "Result": value(lambda _: None)}
TASK: dict[str, Check] = {
    "Resource": value(_resource),
    "TimeoutSeconds": value(_integer(1, MAX_SECONDS)),
    "TimeoutSecondsPath": value(_path),
}
CHOICE: dict[str, Check] = {"Choices": items(_top_rule), "Default": value(_text)}
WAIT: dict[str, Check] = {
    "Seconds": value(_integer(0, MAX_SECONDS)),
    "SecondsPath": value(_path),
    "Timestamp": value(_timestamp),
    "TimestampPath": value(_path),
}
FAIL: dict[str, Check] = {
    "Error": value(_text),
    "ErrorPath": value(_expression),
    "Cause": value(_text),
    "CausePath": value(_expression),
}
MAP: dict[str, Check] = {
    "ItemsPath": value(_path),
    "ItemSelector": _object_template,
    "MaxConcurrency": value(_integer(0, 10_000)),
    "MaxConcurrencyPath": value(_path),
    "ToleratedFailureCount": value(_integer(0, 10_000_000)),
    "ToleratedFailureCountPath": value(_path),
    "ToleratedFailurePercentage": value(_number(0, 100)),
    "ToleratedFailurePercentagePath": value(_path),
    "Label": value(lambda candidate: _need(1 <= len(_text(candidate)) <= 40, "must have 1 to 40 characters")),
}
MACHINE: dict[str, Check] = {
    **ANYWHERE,
    "StartAt": value(_text),
    "Version": value(_one_of("1.0")),
    "TimeoutSeconds": value(_integer(1, MAX_SECONDS)),
}
PROCESSOR_CONFIG = fields(
    {"Mode": value(_one_of("INLINE", "DISTRIBUTED")), "ExecutionType": value(_one_of("STANDARD", "EXPRESS"))},
    "ProcessorConfig",
)
