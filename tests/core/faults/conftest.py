"""An inbox with reports in it."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from isthmus.faults.reports import PARTITION
from isthmus.storage.adapters.sqlite import SqliteTable

Happen = Callable[..., None]


@pytest.fixture
def faulty(tmp_path: Path) -> SqliteTable:
    """A table."""
    return SqliteTable(tmp_path / "faults.sqlite")


@pytest.fixture
def happen(faulty: SqliteTable) -> Happen:
    """Let a failure happen: `happen(at_ms, group="v1:aa", count=1, release="0.1.0")`."""
    known: list[int] = []

    def put(
        at_ms: int, group: str = "v1:" + "a" * 64, count: int = 1, release: str = "0.1.0", severity: str = "warning"
    ) -> None:
        known.append(at_ms)
        item = {
            "group": group,
            "operation": "bitcoin.get_block",
            "kind": "unavailable",
            "severity": severity,
            "code": "bitcoin/timeout",
            "system": "bitcoin",
            "upstream_code": "",
            "detail": "The node did not answer in time.",
            "channel": "http",
            "instance": f"r{len(known)}",
            "release": release,
            "at_ms": at_ms,
            "count": count,
        }
        faulty.put(PARTITION, f"{at_ms:013d}-{len(known):08d}", item)

    return put


@pytest.fixture
def at_the_same_time() -> Callable[[int, Callable[[int], Any]], list[Any]]:
    """Run a function in so many threads that start together, and return what they return."""

    def run(threads: int, work: Callable[[int], Any]) -> list[Any]:
        start = threading.Barrier(threads)

        def started(number: int) -> Any:
            start.wait()
            return work(number)

        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(started, range(threads)))

    return run
