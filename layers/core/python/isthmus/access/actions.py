"""Every action there is, from a table that `make template` derives: loading all operations would take a second."""

from functools import cache
from pathlib import Path

import orjson

from isthmus.access.policy import Action
from isthmus.failure import NotFound

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


@cache
def _by_name() -> dict[str, Action]:
    table = orjson.loads(TABLE.read_bytes())
    return {name.rsplit(".", 1)[-1]: Action(name, told["scope"], tuple(told["groups"])) for name, told in table.items()}
