"""A table with two groups of failures in it, at a held time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from functions.faults.keep_letter import keep_letter
from isthmus import wiring
from isthmus.failure import Failure
from isthmus.faults.analysis import analyze
from isthmus.faults.groups import Group, find
from isthmus.faults.reports import PARTITION
from isthmus.faults.trends import HOUR_MS
from isthmus.ports import Clock, News, Table
from isthmus.storage.adapters.sqlite import SqliteTable

OLD, YOUNG = "v1:" + "a" * 64, "v1:" + "b" * 64


@dataclass
class HeldClock:
    now: int = 480_000 * HOUR_MS

    def now_ms(self) -> int:
        return self.now


class Listener:
    """A bus that keeps what is published."""

    def __init__(self) -> None:
        self.heard: list[News] = []

    def publish(self, news: Sequence[News]) -> None:
        self.heard += news


class Ward:
    """The old group happens twice an hour for thirty hours, the young one began half an hour ago."""

    old, young, missing = OLD, YOUNG, "v1:" + "c" * 64

    def __init__(self, folder: Path) -> None:
        self.table, self.clock, self.bus = SqliteTable(folder / "table.sqlite"), HeldClock(), Listener()
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


class Mailbox:
    """Dead letters, and the functions that a redrive starts."""

    arn = "arn:aws:lambda:us-east-1:000000000000:function:isthmus-ReconcileChain"
    scheduled: dict[str, Any]

    def __init__(self, folder: Path) -> None:
        self.table, self.clock = SqliteTable(folder / "table.sqlite"), HeldClock()
        self.scheduled = {"source": "aws.scheduler", "resources": ["reconcile_chain"], "detail": {}}
        self.started: list[tuple[str, Any]] = []
        self.refuses: Failure | None = None

    def start(self, function: str, event: Any) -> None:
        """Take an event for a function."""
        if self.refuses is not None:
            raise self.refuses
        self.started.append((function, event))

    def record(self, invocation: str = "i1", event: Any = None, error: str = "Unavailable") -> dict[str, Any]:
        """What Lambda tells the end of events that failed."""
        return {
            "version": "1.0",
            "timestamp": "2026-11-22T18:00:00.000Z",
            "requestContext": {
                "requestId": invocation,
                "functionArn": f"{self.arn}:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": 3,
            },
            "requestPayload": self.scheduled if event is None else event,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": {"errorType": error, "errorMessage": "The node did not answer. Repeat."},
        }

    def keep(self, *records: dict[str, Any]) -> Any:
        """Let records arrive as Lambda delivers them; what is answered to the last."""
        answer: Any = None
        with wiring.replaced({Table: self.table, Clock: self.clock}):
            for record in records:
                answer = keep_letter(record, None)
        return answer


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    """A table without letters."""
    return Mailbox(tmp_path)
