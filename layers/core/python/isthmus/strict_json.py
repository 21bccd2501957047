"""JSON as signed documents have it: no name twice, no number that is not an integer, no nesting to speak of."""

import json
import re
from typing import Any

MAX_DEPTH = 8
MAX_OPENED = 64
"""Objects and lists, which bounds how deep the parser may go before anybody looks."""


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def loads(data: bytes) -> Any:
    """Parse.

    Raises:
        ValueError: not UTF-8, no JSON, a name twice, a fraction, an exponent, NaN, half a character, or nested deeper
            than 8.
    """
    if _SURROGATE.search(data):
        raise ValueError("half a character, or one written as two halves")
    opened = data.count(b"{") + data.count(b"[")
    if opened > MAX_OPENED:
        raise ValueError("too many objects")
    value = _DECODER.decode(data.decode())
    if opened > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise ValueError("too deep")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _depth(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if children is None else 1 + max(map(_depth, children), default=0)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_refuse, parse_constant=_refuse)
