r"""Expressions of the Amazon States Language: a path, or an intrinsic function called with literals, paths and calls.

https://states-language.net/spec.html#intrinsic-functions. Strings stand in single quotes; `\'`, `\{`, `\}` and `\\`
are their escapes.
"""

import functools
import re
from dataclasses import dataclass
from typing import Any

from infra.local.states.errors import INTRINSIC_FAILURE, StatesError
from infra.local.states.functions import FUNCTIONS
from infra.local.states.paths import Path, find, parse_path
from infra.local.states.reading import Cursor, unescape

MAX_NESTING = 10  # https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html


@dataclass(frozen=True)
class Literal:
    """A number, a boolean or null."""

    value: Any


@dataclass(frozen=True)
class Text:
    """A string with its escapes."""

    raw: str


@dataclass(frozen=True)
class Call:
    """A call of an intrinsic function."""

    name: str
    arguments: "tuple[Expression, ...]"


Expression = Path | Literal | Text | Call

_NAME = re.compile(r"\s*(States\.\w+)\s*\(")
_TEXT = re.compile(r"\s*'((?:\\.|[^'\\])*)'", re.DOTALL)
_NUMBER = re.compile(r"\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=\s*[,)])")
_WORD = re.compile(r"\s*(true|false|null)(?=\s*[,)])")
# Up to the comma or parenthesis that ends the argument; those inside of brackets and quotes do not.
_PATH = re.compile(r"\s*(\$(?:\[(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|\[[^\]]*\]|[^\[\]'\"])*\]|\\.|[^\\\[,)\s])*)")
_COMMA, _END = re.compile(r"\s*,"), re.compile(r"\s*\)")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}


@functools.lru_cache(maxsize=4096)
def parse_expression(text: str) -> Expression:
    """Read a path or an intrinsic function.

    Raises:
        ValueError: it is neither, calls an unknown function or one with a wrong number of arguments, or nests more than
            ten calls.
    """
    if text.startswith("$"):
        return parse_path(text)
    cursor = Cursor(text)
    call = _call(cursor, 1)
    if not cursor.done:
        raise cursor.fault()
    return call


def evaluate(expression: Expression, data: Any, context: Any) -> Any:
    """The value of an expression over a state's input and the context object.

    Raises:
        StatesError: States.Runtime for a path that leads nowhere, States.IntrinsicFailure for a function that fails.
    """
    match expression:
        case Path():
            return find(expression, data, context)
        case Literal(value):
            return value
        case Text(raw):
            return unescape(raw)
        case Call(name, arguments):
            return _apply(name, [_argument(name, number, a, data, context) for number, a in enumerate(arguments)])


def _argument(name: str, number: int, expression: Expression, data: Any, context: Any) -> Any:
    """An argument's value; the template of States.Format keeps its escapes, or gets some when it is input."""
    template = name == "States.Format" and number == 0
    if template and isinstance(expression, Text):
        return expression.raw
    value = evaluate(expression, data, context)
    return value.replace("\\", "\\\\") if template and isinstance(value, str) else value


def _apply(name: str, arguments: list[Any]) -> Any:
    try:
        return FUNCTIONS[name].call(*arguments)
    except (TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        reason = str(error) if type(error) is ValueError else "it does not take these arguments"
        raise StatesError(INTRINSIC_FAILURE, f"{name} failed: {reason}.") from error


def _call(cursor: Cursor, depth: int) -> Call:
    name = cursor.need(_NAME)[1]
    if name not in FUNCTIONS:
        raise ValueError(f"there is no intrinsic function {name}")
    if depth > MAX_NESTING:
        raise ValueError(f"'{cursor.text}' nests more than {MAX_NESTING} functions")
    arguments: list[Expression] = []
    if not cursor.take(_END):
        arguments.append(_expression(cursor, depth))
        while cursor.take(_COMMA):
            arguments.append(_expression(cursor, depth))
        cursor.need(_END)
    function = FUNCTIONS[name]
    if len(arguments) < function.least or (function.most is not None and len(arguments) > function.most):
        raise ValueError(f"{name} does not take {len(arguments)} arguments")
    return Call(name, tuple(arguments))


def _expression(cursor: Cursor, depth: int) -> Expression:
    if text := cursor.take(_TEXT):
        return Text(text[1])
    if number := cursor.take(_NUMBER):
        return Literal(float(number[1]) if re.search("[.eE]", number[1]) else int(number[1]))
    if word := cursor.take(_WORD):
        return Literal(_WORDS[word[1]])
    if path := cursor.take(_PATH):
        return parse_path(path[1])
    return _call(cursor, depth + 1)
