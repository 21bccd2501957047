"""Every action there is, from a table that `make template` derives: loading all operations would take a second."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import orjson

from isthmus.access.policy import Action
from isthmus.access.scopes import EVERYTHING
from isthmus.failure import FieldError, Invalid, NotFound

TABLE = Path(__file__).with_name("actions.json")


def find(operation: str) -> Action:
    """The action of an operation, by its name (`get_block`) or with its domain (`bitcoin.get_block`).

    Raises:
        NotFound: there is no such operation.
    """
    found = _by_name().get(operation.rsplit(".", 1)[-1])
    if found is None or operation not in (found.name, found.name.rsplit(".", 1)[-1]):
        raise NotFound(
            "There is no operation of this name.",
            next_step="GET /v1/openapi.json lists the operations there are, as `operationId`.",
            code="access/operation",
        )
    return found


@cache
def scopes() -> frozenset[str]:
    """The scopes of all operations."""
    return frozenset(action.scope for action in _by_name().values())


def existing(asked: Iterable[str]) -> tuple[str, ...]:
    """The scopes of a request's field `scopes` in order; a misspelt one would never let anybody do anything.

    Raises:
        Invalid: one of them does not exist.
    """
    known, wanted = scopes() | {EVERYTHING}, tuple(asked)
    refused = tuple(
        FieldError(f"/scopes/{index}", "there is no such scope") for index, one in enumerate(wanted) if one not in known
    )
    if refused:
        raise Invalid(
            f"{len(refused)} scope(s) do not exist.",
            next_step="Name scopes as `<domain>:<effect>` of operations that there are, such as `bitcoin:read`.",
            errors=refused,
        )
    return tuple(sorted(set(wanted)))


@cache
def _by_name() -> dict[str, Action]:
    table = orjson.loads(TABLE.read_bytes())
    return {name.rsplit(".", 1)[-1]: Action(name, told["scope"], tuple(told["groups"])) for name, told in table.items()}
