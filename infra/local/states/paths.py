"""Paths and reference paths of the Amazon States Language: JSONPath over a state's input or over the context object.

https://states-language.net/spec.html#path. A path of names and single indexes is definite and stands for one value;
with a wildcard, slice, union, descent or filter it stands for the list of what it finds, which may be empty. Functions
and script expressions are refused, as AWS refuses them.
"""

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from infra.local.states.errors import RESULT_PATH_MATCH_FAILURE, RUNTIME, PathNotFoundError, StatesError
from infra.local.states.reading import Cursor, unescape

MAX_NODES = 100_000

Predicate = Callable[[Any, Any], bool]
"""Whether a node, the first argument, passes a filter; the second is the root."""


@dataclass(frozen=True)
class Every:
    """`[*]` or `.*`: all children."""


@dataclass(frozen=True)
class Descent:
    """`..`: the node and everything below it."""


@dataclass(frozen=True)
class Slice:
    """`[start:stop]`."""

    start: int | None
    stop: int | None


@dataclass(frozen=True)
class Union:
    """`[0,2]` or `['a','b']`."""

    keys: tuple[str | int, ...]


@dataclass(frozen=True)
class Where:
    """`[?(...)]`."""

    passes: Predicate


Step = str | int | Every | Descent | Slice | Union | Where


@dataclass(frozen=True)
class Path:
    """A parsed path: over the context object when it began with `$$`."""

    text: str
    context: bool
    steps: tuple[Step, ...]

    @property
    def definite(self) -> bool:
        """Whether it stands for exactly one value."""
        return all(isinstance(step, str | int) for step in self.steps)


@functools.lru_cache(maxsize=4096)
def parse_path(text: str) -> Path:
    """Read a path.

    Raises:
        ValueError: it is not one.
    """
    cursor = Cursor(text)
    root = cursor.need(re.compile(r"\$\$?"))[0]
    steps = _steps(cursor)
    if not cursor.done:
        raise cursor.fault()
    return Path(text, root == "$$", steps)


def parse_reference(text: str) -> Path:
    """Read a reference path: names and indexes only, into the state's input.

    Raises:
        ValueError: it is not one.
    """
    path = parse_path(text)
    if path.context or not path.definite or any(isinstance(step, int) and step < 0 for step in path.steps):
        raise ValueError(f"'{text}' is no reference path: it must name one place in the input")
    return path


def find(path: Path, data: Any, context: Any) -> Any:
    """The value a definite path stands for, or the list of everything another path finds.

    Raises:
        PathNotFoundError: a name or index that must exist does not.
        StatesError: States.Runtime, when more than 100,000 nodes are visited.
    """
    nodes, definite = [context if path.context else data], True
    for step in path.steps:
        if definite and isinstance(step, str | int):
            nodes = _child(step, nodes[0])
            if not nodes:
                raise PathNotFoundError(path.text)
            continue
        definite = False
        nodes = [child for node in nodes for child in _children(step, node, data)]
        if len(nodes) > MAX_NODES:
            raise StatesError(RUNTIME, f"The path '{path.text}' visits more than {MAX_NODES} values.")
    return nodes[0] if definite else nodes


def put(path: Path, data: Any, value: Any) -> Any:
    """A copy of `data` with `value` at a reference path; missing objects on the way are made, `data` stays as it was.

    Raises:
        StatesError: States.ResultPathMatchFailure, when there is something else than an object or array in the way.
    """
    if not path.steps:
        return value
    try:
        return _put(path.steps, data, value)
    except LookupError:
        raise StatesError(
            RESULT_PATH_MATCH_FAILURE, f"The reference path '{path.text}' cannot be applied to the state's input."
        ) from None


def _put(steps: tuple[Step, ...], data: Any, value: Any) -> Any:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, str) and isinstance(data, dict):
        return {**data, step: _put(rest, data.get(step, {}), value)}
    if isinstance(step, int) and isinstance(data, list) and step < len(data):
        return [*data[:step], _put(rest, data[step], value), *data[step + 1 :]]
    raise LookupError(step)


def _children(step: Step, node: Any, root: Any) -> Iterable[Any]:
    """What one step finds below one node."""
    match step:
        case Every():
            return _below(node)
        case Descent():
            return _descendants(node)
        case Slice(start, stop):
            return node[start:stop] if isinstance(node, list) else ()
        case Union(keys):
            return [child for key in keys for child in _child(key, node)]
        case Where(passes):
            return [child for child in _below(node) if passes(child, root)]
        case _:
            return _child(step, node)


def _child(key: str | int, node: Any) -> list[Any]:
    """The one child of that name or index, if there is one."""
    if isinstance(key, str):
        return [node[key]] if isinstance(node, dict) and key in node else []
    return [node[key]] if isinstance(node, list) and -len(node) <= key < len(node) else []


def _below(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def _descendants(node: Any) -> Iterator[Any]:
    """The node and all nodes below it, parents first; without recursion, because payloads may be deep."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(list(_below(node))))


# A name may escape any character with a backslash; what would be an operator elsewhere ends it.
_NAME = re.compile(r"(?:\\.|[^\\.\[\]()*?@,:'\"\s=<>!|&]|&(?!&))+")
_QUOTED = r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\""
_DOTS = re.compile(r"\.\.?")
_STAR = re.compile(r"\*")
_EVERY = re.compile(r"\[\s*\*\s*\]")
_SLICE = re.compile(r"\[\s*(-?\d+)?\s*:\s*(-?\d+)?\s*\]")
_NAMES = re.compile(rf"\[\s*((?:{_QUOTED})(?:\s*,\s*(?:{_QUOTED}))*)\s*\]")
_INDEXES = re.compile(r"\[\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*\]")
_WHERE, _WHERE_END = re.compile(r"\[\s*\?\s*\("), re.compile(r"\s*\)\s*\]")
_KEY = re.compile(rf"{_QUOTED}|-?\d+")


def _steps(cursor: Cursor) -> tuple[Step, ...]:
    steps: list[Step] = []
    while True:
        dots = cursor.take(_DOTS)
        if dots and dots[0] == "..":
            steps.append(Descent())
        if dots and cursor.take(_STAR):
            steps.append(Every())
        elif dots and (name := cursor.take(_NAME)):
            steps.append(unescape(name[0]))
        elif (not dots or dots[0] == "..") and (step := _bracket(cursor)) is not None:
            steps.append(step)
        elif dots:
            raise cursor.fault()
        else:
            return tuple(steps)


def _bracket(cursor: Cursor) -> Step | None:
    if cursor.take(_EVERY):
        return Every()
    if found := cursor.take(_SLICE):
        return Slice(*(int(bound) if bound else None for bound in found.groups()))
    if found := cursor.take(_NAMES) or cursor.take(_INDEXES):
        keys = tuple(_key(key) for key in _KEY.findall(found[1]))
        return keys[0] if len(keys) == 1 else Union(keys)
    if cursor.take(_WHERE):
        passes = _either(cursor)
        cursor.need(_WHERE_END)
        return Where(passes)
    return None


def _key(text: str) -> str | int:
    return unescape(text[1:-1]) if text[0] in "'\"" else int(text)


# Filters: comparisons of `@` and `$` paths and literals, joined by &&, || and !.
_OR, _AND, _NOT = re.compile(r"\s*\|\|"), re.compile(r"\s*&&"), re.compile(r"\s*!(?!=)")
_OPEN, _CLOSE = re.compile(r"\s*\("), re.compile(r"\s*\)")
_OPERATOR = re.compile(r"\s*(==|!=|<=|>=|<|>)")
_ROOT = re.compile(r"\s*([@$])")
_LITERAL = re.compile(rf"\s*(?:({_QUOTED})|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null))")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}
_NOTHING = object()

_Operand = Callable[[Any, Any], Any]


def _either(cursor: Cursor) -> Predicate:
    terms = [_both(cursor)]
    while cursor.take(_OR):
        terms.append(_both(cursor))
    return lambda node, root: any(term(node, root) for term in terms)


def _both(cursor: Cursor) -> Predicate:
    terms = [_term(cursor)]
    while cursor.take(_AND):
        terms.append(_term(cursor))
    return lambda node, root: all(term(node, root) for term in terms)


def _term(cursor: Cursor) -> Predicate:
    if cursor.take(_NOT):
        inner = _term(cursor)
        return lambda node, root: not inner(node, root)
    if cursor.take(_OPEN):
        inner = _either(cursor)
        cursor.need(_CLOSE)
        return inner
    left = _operand(cursor)
    operator = cursor.take(_OPERATOR)
    if not operator:
        return lambda node, root: left(node, root) not in (_NOTHING, [])
    right = _operand(cursor)
    return lambda node, root: _compare(operator[1], left(node, root), right(node, root))


def _operand(cursor: Cursor) -> _Operand:
    if root := cursor.take(_ROOT):
        path = Path("", root[1] == "$", _steps(cursor))
        return lambda node, root: _find_or_nothing(path, node, root)
    quoted, number, word = cursor.need(_LITERAL).groups()
    if quoted is not None:
        value: Any = unescape(quoted[1:-1])
    elif number is not None:
        value = float(number) if re.search("[.eE]", number) else int(number)
    else:
        value = _WORDS[word]
    return lambda _node, _root: value


def _find_or_nothing(path: Path, node: Any, root: Any) -> Any:
    try:
        return find(path, node, root)
    except PathNotFoundError:
        return _NOTHING


def _compare(operator: str, left: Any, right: Any) -> bool:
    same = left == right and isinstance(left, bool) == isinstance(right, bool)
    if operator in ("==", "!="):
        return same == (operator == "==")
    numbers = all(isinstance(side, int | float) and not isinstance(side, bool) for side in (left, right))
    if not numbers and not (isinstance(left, str) and isinstance(right, str)):
        return False
    less: bool = left < right
    return {"<": less, "<=": less or same, ">": not (less or same), ">=": not less}[operator]
