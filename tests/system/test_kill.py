"""A backfill that is killed again and again ends complete: no gap, no duplicate."""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from infra.local.bitcoind import RegtestNode
from infra.local.demo_chain import build_chain
from isthmus.failure import Failure
from isthmus.pipeline import manifest
from isthmus.pipeline.adapters.duckdb import DuckDb
from isthmus.pipeline.segments import TABLES
from isthmus.storage.adapters.files import FileBlobs

pytestmark = [pytest.mark.node, pytest.mark.system]

KILLS = 20
LONGEST_WAIT_S = 60


def rows(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that is published, in order."""
    blobs, sql = FileBlobs(home / "blobs"), DuckDb()
    current, _ = manifest.load(blobs)
    assert current is not None
    found = {}
    for table in TABLES:
        paths = [path for segment in current.segments if (path := blobs.fetch(segment.key(table)))]
        found[table] = sorted(tuple(row.values()) for row in sql.query(f"SELECT * FROM {table}", {table: paths}))
    return found


def ended(system: Any, run_id: str) -> Any:
    deadline = time.monotonic() + LONGEST_WAIT_S
    while time.monotonic() < deadline:
        run = system.get(f"/v1/pipeline/runs/{run_id}")
        if run["status"] != "running":
            return run
        time.sleep(0.1)
    raise AssertionError(f"{run_id} has not ended: {run}")


def test_twenty_kills_during_backfills_leave_neither_gap_nor_duplicate(
    fresh_node: Callable[..., RegtestNode], system_on: Callable[..., Any]
) -> None:
    node = fresh_node()
    facts = build_chain(node, blocks=60, transactions=3_000, seed=5)
    chance = random.Random(5)
    undisturbed = system_on(node)
    expected = ended(undisturbed, undisturbed.post("/v1/pipeline/runs", {}).json["run_id"])
    assert expected["status"] == "complete"
    expected_rows = rows(undisturbed.home)
    undisturbed.isthmus("down")

    kills, killed_while_running = 0, 0
    while kills < KILLS:
        system = system_on(node)
        run_id = system.post("/v1/pipeline/runs", {}).json["run_id"]
        for _ in range(4):
            time.sleep(chance.uniform(0, 0.6))
            with suppress(OSError, Failure):
                killed_while_running += system.get(f"/v1/pipeline/runs/{run_id}")["status"] == "running"
            system.kill()
            kills += 1
            system.up()
        run = ended(system, run_id)
        assert (run["status"], run["progress"]) == ("complete", {"stored": run["batches"]})
        assert len(system.get("/v1/pipeline/runs")["runs"]) == 1
        assert rows(system.home) == expected_rows
        system.isthmus("down")

    assert killed_while_running >= KILLS // 4
    assert len(expected_rows["blocks"]) == facts.height + 1
