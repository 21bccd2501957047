"""Segments: runs of consecutive blocks stored as Parquet files whose names are their content.

The hash of a block commits to every block before it, so `first height, last height, hash of the last block` names the
content of a whole segment: collecting it again writes the same keys.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

SETTLED_CONFIRMATIONS = 6
WINDOW_SIZES = (144, 12, 1)

TableName = Literal["transactions", "blocks", "flows", "statistics"]
TABLES: tuple[TableName, ...] = ("transactions", "blocks", "flows", "statistics")


@dataclass(frozen=True, order=True)
class Window:
    """Heights that belong into one segment, both ends included."""

    first: int
    last: int


@dataclass(frozen=True)
class Segment:
    """One stored segment; hashes are hexadecimal as explorers show them."""

    first: int
    last: int
    block_hash: str
    previous_hash: str
    transactions: int
    bytes: int

    @property
    def id(self) -> str:
        """The name of the content."""
        return f"{self.first:08d}-{self.last:08d}-{self.block_hash}"

    @property
    def window(self) -> Window:
        """The heights it covers."""
        return Window(self.first, self.last)

    def key(self, table: TableName) -> str:
        """Where one of its files lies."""
        return f"segments/{self.id}/{table}.parquet"

    def to_item(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def windows(first: int, last: int, tip: int) -> Iterator[Window]:
    """How the blocks from `first` to `last` are cut, on a chain whose tip has the height `tip`.

    Settled blocks go into the largest aligned window of 144, 12 or 1 that fits; the newest are segments of their
    own, so that a reorganisation retracts little. As the tip moves on, small segments are replaced by large ones.

    >>> [(w.first, w.last) for w in windows(0, 160, 162)]
    [(0, 143), (144, 155), (156, 156), (157, 157), (158, 158), (159, 159), (160, 160)]
    """
    height = first
    while height <= last:
        size = next(
            size
            for size in WINDOW_SIZES
            if size == 1 or (height % size == 0 and height + size - 1 <= min(last, tip - SETTLED_CONFIRMATIONS))
        )
        yield Window(height, height + size - 1)
        height += size


def window_of(segment_id: str) -> Window:
    """The heights in a segment's name."""
    first, last, _ = segment_id.split("-")
    return Window(int(first), int(last))


def holds(segments: Sequence[Segment], window: Window) -> bool:
    """Whether one of these segments, in order, has all of a window; windows nest, so none has only a part of it."""
    place = bisect_right(segments, window.first, key=lambda segment: segment.first) - 1
    return place >= 0 and window.last <= segments[place].last
