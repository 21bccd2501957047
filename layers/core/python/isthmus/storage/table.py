"""The Table port: items under a partition key and a sort key, with the conditions we need and no others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

MAX_ITEM_BYTES = 400_000
"""An item with its keys, counted as DynamoDB does; below its 400 KB because it documents the size of numbers as
approximate."""

MAX_ITEM_DEPTH = 31
"""Maps and lists inside each other, the item included; DynamoDB allows 32 and one of them holds the item."""

MAX_INTEGER = 10**38 - 1
"""38 digits, the precision of DynamoDB's numbers."""

MAX_PARTITION_KEY_BYTES = 2048
MAX_SORT_KEY_BYTES = 1024
MAX_TRANSACTION_WRITES = 100

MAX_TRANSACTION_BYTES = 4_000_000
"""All items of a transaction with their keys; DynamoDB says 4 MB."""

MAX_PAGE = 1000

Item = dict[str, Any]
"""JSON values without floats: str, int (38 digits), bool, None, list and dict; names are not empty."""


@dataclass(frozen=True)
class Absent:
    """The write happens only if there is no item under this key."""


@dataclass(frozen=True)
class Equals:
    """The write happens only if the item exists and its attribute has this value; 1 and True are not equal."""

    attribute: str
    value: str | int | bool


Condition = Absent | Equals


def expires_s(item: Item) -> int | None:
    """When the item may be removed, in seconds since the epoch: its attribute `expires_at`, if that is an integer.

    The store removes it some time after, within days on DynamoDB; until then it is there like any other. Whoever reads
    it compares the time.
    """
    at = item.get("expires_at")
    return at if isinstance(at, int) and not isinstance(at, bool) else None


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
    """Some rows in key order, and the sort key to go on after; None when nothing more was there."""

    rows: tuple[Row, ...]
    after: str | None


class Table(Protocol):
    """Strongly consistent items, for many threads and processes at once.

    Every method raises Invalid when a limit of this file is not kept, before anything is asked of the store;
    Unavailable when the store does not answer. After Unavailable a write may have happened: repeat it, and when the
    repetition is refused, read. A condition that does not hold raises Conflict and changes nothing.
    An item with `expires_at` is removed some time after that, not at it: readers check it themselves.
    """

    def get(self, pk: str, sk: str) -> Item | None:
        """The item under this key, or None."""

    def query(
        self, pk: str, *, prefix: str = "", after: str | None = None, limit: int = 100, reverse: bool = False
    ) -> Page:
        """Items of one partition in the UTF-8 byte order of their sort keys, those with the prefix only.

        Args:
            pk: the partition.
            prefix: what every sort key starts with.
            after: any sort key, stored or not; in reverse order the page starts below it.
            limit: rows at most, 1 to MAX_PAGE.
            reverse: from the last key to the first.
        """

    def put(self, pk: str, sk: str, item: Item, *, when: Condition | None = None) -> None:
        """Write a whole item."""

    def delete(self, pk: str, sk: str, *, when: Condition | None = None) -> None:
        """Remove an item; removing what is not there is success, unless a condition says otherwise."""

    def transact(self, writes: Sequence[Write]) -> None:
        """All writes or none: 1 to MAX_TRANSACTION_WRITES of them, MAX_TRANSACTION_BYTES, one per key."""
