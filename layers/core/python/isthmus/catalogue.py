"""The registry: every operation there is, found by walking the operations' folder."""

import importlib
import pkgutil
from functools import cache
from typing import Any

from isthmus.operation import Operation


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation, by domain and name.

    Raises:
        TypeError: a file under functions/ holds no operation of its own name.
    """
    return tuple(_load(name) for name in sorted(_modules()))


def _modules() -> list[str]:
    root: Any = importlib.import_module("functions")
    domains = [f"functions.{entry.name}" for entry in pkgutil.iter_modules(root.__path__) if entry.ispkg]
    return [
        f"{domain}.{entry.name}"
        for domain in domains
        for entry in pkgutil.iter_modules(importlib.import_module(domain).__path__)
    ]


def _load(module: str) -> Operation:
    name = module.rsplit(".", 1)[1]
    found = getattr(importlib.import_module(module), name, None)
    if not isinstance(found, Operation):
        raise TypeError(f"{module} holds no operation named {name}")
    return found
