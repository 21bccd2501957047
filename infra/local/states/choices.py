"""Choice rules: https://states-language.net/spec.html#choice-state.

An operator is a kind (String, Numeric, Timestamp, Boolean) and a relation; with `Path` at its end the other side comes
from the input. A variable of another kind than the operator's does not match; one that is not there fails the state,
unless the rule asks whether it is present.
"""

import operator
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from infra.local.states.errors import RUNTIME, PathNotFoundError, StatesError
from infra.local.states.paths import find, parse_path

# RFC 3339 with an uppercase T and Z.
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}


def timestamp(value: Any) -> datetime | None:
    """The moment an RFC 3339 text names, or None when it is no such text."""
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


_KINDS: dict[str, Callable[[Any], Any]] = {
    "String": _string,
    "Numeric": _number,
    "Timestamp": timestamp,
    "Boolean": _boolean,
}

COMPARISONS = {
    kind + relation: (read, compare)
    for kind, read in _KINDS.items()
    for relation, compare in _RELATIONS.items()
    if kind != "Boolean" or relation == "Equals"
}
"""Operator to (reads a value of its kind or None, compares two of them)."""

TESTS: dict[str, Callable[[Any], bool]] = {
    "IsNull": lambda value: value is None,
    "IsString": lambda value: isinstance(value, str),
    "IsNumeric": lambda value: _number(value) is not None,
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsTimestamp": lambda value: timestamp(value) is not None,
}

OPERATORS = frozenset(
    [*COMPARISONS, *(name + "Path" for name in COMPARISONS), *TESTS, "IsPresent", "StringMatches"],
)
CONNECTIVES = frozenset(("And", "Or", "Not"))


def holds(rule: dict[str, Any], data: Any, context: Any) -> bool:
    """Whether a rule matches the input.

    Raises:
        StatesError: States.Runtime, when a variable is not there or what it is compared with has the wrong kind.
    """
    if "And" in rule:
        return all(holds(inner, data, context) for inner in rule["And"])
    if "Or" in rule:
        return any(holds(inner, data, context) for inner in rule["Or"])
    if "Not" in rule:
        return not holds(rule["Not"], data, context)
    name = next(iter(OPERATORS & rule.keys()))
    if name == "IsPresent":
        return _present(rule["Variable"], data, context) is rule[name]
    return _matches(name, find(parse_path(rule["Variable"]), data, context), rule[name], (data, context))


def _matches(name: str, value: Any, wanted: Any, where: tuple[Any, Any]) -> bool:
    if name in TESTS:
        return TESTS[name](value) is wanted
    if name == "StringMatches":
        return isinstance(value, str) and _pattern(wanted).fullmatch(value) is not None
    read, compare = COMPARISONS[name.removesuffix("Path")]
    if name.endswith("Path"):
        path, wanted = wanted, find(parse_path(wanted), *where)
        if read(wanted) is None:
            raise StatesError(RUNTIME, f"The path '{path}' does not lead to a value {name} can compare with.")
    left = read(value)
    return left is not None and compare(left, read(wanted))


def _present(variable: str, data: Any, context: Any) -> bool:
    try:
        find(parse_path(variable), data, context)
    except PathNotFoundError:
        return False
    return True


def _pattern(wanted: str) -> re.Pattern[str]:
    """`*` stands for any text; a backslash makes the star or backslash behind it literal."""
    parts = re.findall(r"\\[*\\]|\*|[^*\\]+|\\", wanted, flags=re.DOTALL)
    texts = (".*" if part == "*" else re.escape(part[-1] if part[0] == "\\" else part) for part in parts)
    return re.compile("".join(texts), flags=re.DOTALL)
