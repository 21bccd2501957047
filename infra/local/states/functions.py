"""The intrinsic functions themselves: https://states-language.net/spec.html#appendix-b, with the limits AWS documents.

Every function takes JSON values and raises TypeError or ValueError for arguments it does not take.
"""

import base64
import hashlib
import json
import math
import random
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MAX_RANGE = 1000
MAX_CHARACTERS = 10_000
_INTEGERS = range(-(2**31), 2**31)
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


@dataclass(frozen=True)
class Function:
    """An intrinsic function and how many arguments it takes; `most` None means any number."""

    call: Callable[..., Any]
    least: int
    most: int | None


def _format(template: Any, *values: Any) -> str:
    """The template has its escapes still: `{}` is a place for a value, a backslash makes its neighbour literal."""
    _check(isinstance(template, str), "the template is no string")
    waiting = list(values)

    def fill(found: re.Match[str]) -> str:
        if found[1] is not None:
            return found[1]
        _check(bool(waiting), "there are fewer values than places")
        return _as_java(waiting.pop(0))

    text = re.sub(r"\\(.)|\{\}", fill, template, flags=re.DOTALL)
    _check(not waiting, "there are more values than places")
    return text


def _as_java(value: Any) -> str:
    """A value inside a text as Step Functions writes it: objects and arrays as Java prints a map and a list."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_as_java(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_as_java, value)) + "]"
    return _compact(value)


def _string_to_json(text: str) -> Any:
    return json.loads(text) if text.strip() else None


def _array_partition(array: list[Any], size: float) -> list[list[Any]]:
    step = _integer(size)
    _check(step > 0, "the size of a part must be positive")
    return [_array(array)[start : start + step] for start in range(0, len(array), step)]


def _array_contains(array: list[Any], value: Any) -> bool:
    wanted = _canonical(value)
    return any(_canonical(item) == wanted for item in _array(array))


def _array_range(first: float, last: float, step: float) -> list[int]:
    stride = _integer(step)
    _check(stride > 0, "the step must be positive")
    numbers = range(_integer(first), _integer(last) + 1, stride)
    _check(len(numbers) <= MAX_RANGE, f"a range has at most {MAX_RANGE} items")
    return list(numbers)


def _array_get_item(array: list[Any], index: float) -> Any:
    place = _integer(index)
    _check(0 <= place < len(_array(array)), "the index is outside of the array")
    return array[place]


def _array_unique(array: list[Any]) -> list[Any]:
    first: dict[str, Any] = {}
    for item in _array(array):
        first.setdefault(_canonical(item), item)
    return list(first.values())


def _base64_encode(text: str) -> str:
    return base64.b64encode(_short(text).encode()).decode()


def _base64_decode(text: str) -> str:
    return base64.b64decode(_short(text), validate=True).decode()


def _hash(text: str, algorithm: str) -> str:
    _check(algorithm in _ALGORITHMS, f"the algorithm must be one of {', '.join(_ALGORITHMS)}")
    return hashlib.new(_ALGORITHMS[algorithm], _short(text).encode(), usedforsecurity=False).hexdigest()


def _json_merge(left: Any, right: Any, deep: Any) -> dict[str, Any]:
    _check(deep is False, "only the shallow merge exists: the third argument must be false")
    _check(isinstance(left, dict) and isinstance(right, dict), "only objects can be merged")
    return {**left, **right}


def _math_random(start: float, end: float, seed: float | None = None) -> int:
    """From `start` on and below `end`; the same seed gives the same number."""
    chosen = random.SystemRandom() if seed is None else random.Random(_integer(seed))  # noqa: S311 - a seed is asked for
    return chosen.randrange(_integer(start), _integer(end))


def _math_add(left: float, right: float) -> int:
    numbers = _integer(left), _integer(right)
    _check(all(number in _INTEGERS for number in numbers), "only integers of 32 bits can be added")
    return sum(numbers)


def _string_split(text: Any, separators: Any) -> list[str]:
    """Split at each of the separator characters; empty parts are left out."""
    _check(isinstance(text, str) and isinstance(separators, str), "both arguments must be strings")
    parts = re.split("[" + re.escape(separators) + "]", text) if separators else [text]
    return [part for part in parts if part]


def _check(holds: bool, complaint: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not holds:
        raise ValueError(complaint)


def _integer(number: Any) -> int:
    """Rounded as Java does: halves towards positive infinity."""
    _check(isinstance(number, int | float) and not isinstance(number, bool), "a number is needed")
    return number if isinstance(number, int) else math.floor(number + 0.5)


def _array(value: Any) -> list[Any]:
    _check(isinstance(value, list), "an array is needed")
    array: list[Any] = value
    return array


def _short(text: Any) -> str:
    _check(isinstance(text, str) and len(text) <= MAX_CHARACTERS, f"a string of at most {MAX_CHARACTERS} is needed")
    return str(text)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _canonical(value: Any) -> str:
    """The same text for equal JSON values: unlike Python, `true` and 1 differ."""
    return json.dumps(value, sort_keys=True)


FUNCTIONS = {
    "States.Format": Function(_format, 1, None),
    "States.StringToJson": Function(_string_to_json, 1, 1),
    "States.JsonToString": Function(_compact, 1, 1),
    "States.Array": Function(lambda *values: list(values), 0, None),
    "States.ArrayPartition": Function(_array_partition, 2, 2),
    "States.ArrayContains": Function(_array_contains, 2, 2),
    "States.ArrayRange": Function(_array_range, 3, 3),
    "States.ArrayGetItem": Function(_array_get_item, 2, 2),
    "States.ArrayLength": Function(lambda array: len(_array(array)), 1, 1),
    "States.ArrayUnique": Function(_array_unique, 1, 1),
    "States.Base64Encode": Function(_base64_encode, 1, 1),
    "States.Base64Decode": Function(_base64_decode, 1, 1),
    "States.Hash": Function(_hash, 2, 2),
    "States.JsonMerge": Function(_json_merge, 3, 3),
    "States.MathRandom": Function(_math_random, 2, 3),
    "States.MathAdd": Function(_math_add, 2, 2),
    "States.StringSplit": Function(_string_split, 2, 2),
    "States.UUID": Function(lambda: str(uuid.uuid4()), 0, 0),
}
