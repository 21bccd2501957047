"""A table with two groups of failures in it, at a held time."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from isthmus.faults.analysis import analyze
from isthmus.faults.groups import Group, find
from isthmus.faults.reports import PARTITION
from isthmus.faults.trends import HOUR_MS
from isthmus.storage.adapters.sqlite import SqliteTable

OLD, YOUNG = "v1:" + "a" * 64, "v1:" + "b" * 64


@dataclass
class HeldClock:
    now: int = 480_000 * HOUR_MS

    def now_ms(self) -> int:
        return self.now


class Ward:
    """The old group happens twice an hour for thirty hours, the young one began half an hour ago."""

    old, young, missing = OLD, YOUNG, "v1:" + "c" * 64

    def __init__(self, folder: Path) -> None:
        self.table, self.clock = SqliteTable(folder / "table.sqlite"), HeldClock()
        self._reports = 0
        for half_hours_ago in range(60, 0, -1):
            self.happen(OLD, ago_ms=half_hours_ago * HOUR_MS // 2)
        self.happen(YOUNG, ago_ms=HOUR_MS // 2)

    def happen(self, group: str, *, ago_ms: int = 0, count: int = 1) -> None:
        """Report a failure."""
        self._reports += 1
        at_ms = self.clock.now - ago_ms
        item = {
            "group": group,
            "operation": "bitcoin.get_block",
            "kind": "unavailable",
            "severity": "warning",
            "code": "bitcoin/timeout",
            "system": "bitcoin",
            "upstream_code": "-28",
            "detail": "The node did not answer in time.",
            "channel": "http",
            "instance": f"r{self._reports}",
            "release": "0.1.0",
            "at_ms": at_ms,
            "count": count,
        }
        self.table.put(PARTITION, f"{at_ms:013d}-{self._reports:08d}", item)

    def analyzed(self) -> "Ward":
        """With all reports in their groups."""
        analyze(self.table, self.clock.now)
        return self

    def kept(self, group: str) -> Group:
        """What is stored of a group."""
        return find(self.table, group)


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    """A table with reports in its inbox."""
    return Ward(tmp_path)
