"""Failures that somebody should see, put into an inbox: at most one small write, and never at the answer's expense.

Every function may put items into the one partition `faults/reports` and nowhere else (docs/decisions/0010). The
schedule of `analyze_faults` makes groups of them.
"""

import os
import threading
import time
import uuid
from collections.abc import Callable
from functools import cache
from typing import Any

from isthmus import VERSION, wiring
from isthmus.failure import Failure, Upstream
from isthmus.faults.fingerprint import normalised
from isthmus.log import logger
from isthmus.storage.table import Table

PARTITION = "faults/reports"
KINDS = frozenset({"defect", "integrity", "unavailable"})
WINDOW_MS = 60_000
MAX_REPORTS = 20
"""Of one group by one process in one window; what fails beyond is counted in the first report of a later window."""

PATIENCE_S = 0.2
"""How long an answer may wait for its report."""

MAX_GROUPS = 200
MAX_TEXT = 300


class Reporter:
    """What one process reports: one write at a time, and few of one group."""

    def __init__(self, table: Callable[[], Table], now_ms: Callable[[], int], patience_s: float = PATIENCE_S) -> None:
        self._table = table
        self._now_ms = now_ms
        self._patience_s = patience_s
        self._window = 0
        self._written: dict[str, int] = {}
        self._waiting: dict[str, int] = {}
        self._writing: threading.Thread | None = None

    def report(self, operation: str, channel: str, instance: str, failure: Failure) -> None:
        """Put a failure into the inbox, or count it for a later report: there were too many, or the store is slow."""
        now, group = self._now_ms(), failure.group
        if len(self._waiting) >= MAX_GROUPS:
            self._waiting.clear()
        if now // WINDOW_MS != self._window or len(self._written) >= MAX_GROUPS:
            self._window = now // WINDOW_MS
            self._written.clear()
        count = self._waiting.get(group, 0) + 1
        busy = self._writing is not None and self._writing.is_alive()
        if busy or self._written.get(group, 0) >= MAX_REPORTS:
            self._waiting[group] = count
            return
        self._waiting.pop(group, None)
        self._written[group] = self._written.get(group, 0) + 1
        item = _item(operation, channel, instance, failure) | {"at_ms": now, "count": count}
        self._writing = threading.Thread(target=self._write, args=(f"{now:013d}-{uuid.uuid4().hex}", item), daemon=True)
        try:
            self._writing.start()
        except RuntimeError:  # the process may have no more threads
            self._waiting[group] = count
            return
        self._writing.join(self._patience_s)

    def _write(self, key: str, item: dict[str, Any]) -> None:
        try:
            self._table().put(PARTITION, key, item)
        except Failure as failure:
            logger().warning("unreported", group=item["group"], kind=failure.kind, code=failure.code, unreported=1)


def report(operation: str, channel: str, instance: str, failure: Failure) -> None:
    """Report a failure of this process, where it has a store and the kind is one that somebody should see."""
    if failure.code.startswith("breaker/"):
        return  # what opened the breaker was reported
    if failure.kind in KINDS and ("ISTHMUS_TABLE" in os.environ or "ISTHMUS_HOME" in os.environ):
        _reporter().report(operation, channel, instance, failure)


@cache
def _reporter() -> Reporter:
    port: Any = Table
    return Reporter(lambda: wiring.provide(port), lambda: time.time_ns() // 1_000_000)


def _item(operation: str, channel: str, instance: str, failure: Failure) -> dict[str, Any]:
    """What a report says: our own words with everything variable replaced, and codes."""
    upstream = failure.upstream or Upstream("", "")
    return {
        "group": failure.group,
        "operation": operation,
        "kind": failure.kind,
        "severity": failure.severity,
        "code": failure.code,
        "system": upstream.system,
        "upstream_code": str(upstream.code)[:64],
        "detail": normalised(failure.detail)[:MAX_TEXT],
        "channel": channel,
        "instance": instance[:64],
        "release": VERSION,
    }
