"""CloudFormation values as YAML: in one line where they fit, with the short forms of the intrinsic functions."""

import json
import re
from collections.abc import Mapping
from typing import Any

_WIDTH = 120
_PLAIN = re.compile(r"[A-Za-z/](?:[\w./:-]*[\w./-])?", re.ASCII)
_RESERVED = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
_SHORT = {"Ref": "!Ref", "Fn::GetAtt": "!GetAtt", "Fn::Sub": "!Sub", "Fn::If": "!If"}


def flow(value: Any) -> str:
    """One YAML node in flow style, texts in ASCII; `{"Fn::GetAtt": ["Table", "Arn"]}` becomes `!GetAtt Table.Arn`."""
    if isinstance(value, Mapping):
        return _intrinsic(value) or "{" + ", ".join(f"{flow(name)}: {flow(part)}" for name, part in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(flow(part) for part in value) + "]"
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and value.lower() not in _RESERVED else _quoted(value)
    return json.dumps(value)


def block(name: str, value: Any, indent: int) -> list[str]:
    """A named node as lines without their indent: one line if it fits, else one for each part."""
    head = f"{flow(name)}:"
    line = f"{head} {flow(value)}"
    if indent + len(line) <= _WIDTH or isinstance(value, str) or not value:
        return [line]
    if isinstance(value, Mapping) and not _intrinsic(value):
        parts = [part for inner, part_value in value.items() for part in block(inner, part_value, indent + 2)]
        return [head, *("  " + part for part in parts)]
    return [head, *(f"  - {flow(part)}" for part in value)] if isinstance(value, list) else [line]


def _quoted(text: str) -> str:
    return f"'{text}'" if '"' in text and "'" not in text and text.isprintable() else json.dumps(text)


def _intrinsic(value: Mapping[str, Any]) -> str | None:
    """The short form, if this is a call of an intrinsic function."""
    name = next(iter(value), "")
    if name not in _SHORT:
        return None
    argument = value[name]
    return f"{_SHORT[name]} {flow('.'.join(argument) if name == 'Fn::GetAtt' else argument)}"
