"""The Table port: items under a partition key and a sort key, with the conditions we need and no others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

MAX_ITEM_BYTES = 400 * 1024
MAX_TRANSACTION_WRITES = 100
MAX_PAGE = 1000

Item = dict[str, Any]
"""JSON values without floats: str, int (38 digits), bool, None, list and dict."""


@dataclass(frozen=True)
class Absent:
    """The write happens only if there is no item under this key."""


@dataclass(frozen=True)
class Equals:
    """The write happens only if the item exists and its attribute has this value."""

    attribute: str
    value: str | int | bool


Condition = Absent | Equals


def version(number: int) -> Equals:
    """The write happens only if the item is still at this version."""
    return Equals("version", number)


@dataclass(frozen=True)
class Put:
    """Write a whole item."""

    pk: str
    sk: str
    item: Item
    when: Condition | None = None


@dataclass(frozen=True)
class Delete:
    """Remove an item."""

    pk: str
    sk: str
    when: Condition | None = None


@dataclass(frozen=True)
class Check:
    """Write nothing, but refuse the transaction unless the condition holds."""

    pk: str
    sk: str
    when: Condition


Write = Put | Delete | Check


@dataclass(frozen=True)
class Row:
    """One item with its sort key."""

    sk: str
    item: Item


@dataclass(frozen=True)
class Page:
    """Some rows in key order, and the sort key to go on after, or None at the end."""

    rows: tuple[Row, ...]
    after: str | None


class Table(Protocol):
    """Strongly consistent items; a refused condition raises Conflict and changes nothing.

    Raises Invalid for floats, items above MAX_ITEM_BYTES, empty keys and transactions above MAX_TRANSACTION_WRITES,
    Unavailable when the store does not answer.
    """

    def get(self, pk: str, sk: str) -> Item | None:
        """The item under this key, or None."""

    def query(
        self, pk: str, *, prefix: str = "", after: str | None = None, limit: int = 100, reverse: bool = False
    ) -> Page:
        """Items of one partition in the UTF-8 byte order of their sort keys, those with the prefix only."""

    def put(self, pk: str, sk: str, item: Item, *, when: Condition | None = None) -> None:
        """Write a whole item."""

    def delete(self, pk: str, sk: str, *, when: Condition | None = None) -> None:
        """Remove an item; removing what is not there is success, unless a condition says otherwise."""

    def transact(self, writes: Sequence[Write]) -> None:
        """All writes or none; at most one write per key."""
