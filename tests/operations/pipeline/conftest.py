"""A desk with everything a stage needs: real stores, a real node, and executions that a test steps through."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.local.bitcoind import RegtestNode
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.pipeline import manifest, planning, runs, stages
from isthmus.pipeline.adapters.duckdb import DuckDb
from isthmus.pipeline.runs import Run
from isthmus.pipeline.segments import TABLES
from isthmus.ports import BitcoinNode
from isthmus.storage.adapters.files import FileBlobs
from isthmus.storage.adapters.sqlite import SqliteTable
from isthmus.storage.table import Condition, Item, Table


@dataclass
class HeldClock:
    now: int = 1_000_000

    def now_ms(self) -> int:
        return self.now


@dataclass
class RecordedExecutions:
    """Step Functions as far as a starter sees it; the test says how an execution stands."""

    started: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)

    def start(self, machine: str, name: str, payload: Mapping[str, Any]) -> bool:
        new = name not in self.started
        self.started.setdefault(name, payload)
        self.statuses.setdefault(name, "RUNNING")
        return new

    def status(self, machine: str, name: str) -> str | None:
        return self.statuses.get(name)


class InterruptedTable:
    """A table where something else happens just before the first item is put."""

    def __init__(self, table: Table, meanwhile: Callable[[], object]) -> None:
        self._meanwhile = [meanwhile]
        self.get, self.query, self.transact = table.get, table.query, table.transact
        self._put = table.put

    def put(self, pk: str, sk: str, item: Item, *, when: Condition | None = None) -> None:
        while self._meanwhile:
            self._meanwhile.pop()()
        self._put(pk, sk, item, when=when)


@dataclass
class Desk:
    folder: Path
    node: BitcoinNode
    clock: HeldClock = field(default_factory=HeldClock)
    executions: RecordedExecutions = field(default_factory=RecordedExecutions)
    sql: DuckDb = field(default_factory=DuckDb)

    def __post_init__(self) -> None:
        self.table = SqliteTable(self.folder / "table.sqlite")
        self.blobs = FileBlobs(self.folder / "blobs")

    def interrupted(self, meanwhile: Callable[[], object]) -> InterruptedTable:
        """The table as somebody sees it whom others overtake."""
        return InterruptedTable(self.table, meanwhile)

    def plan(self, first: int = 0, last: int | None = None) -> Run:
        """Start a run without running it."""
        chain = planning.look_at(self.node)
        current, _ = manifest.load(self.blobs)
        asked = (first, chain.tip if last is None else last)
        wanted = planning.plan(self.node, chain, current, asked, follow=last is None)
        return runs.start(self.table, self.executions, self.clock, chain, wanted)

    def run(self, first: int = 0, last: int | None = None) -> Run:
        return self.finish(self.plan(first, last))

    def finish(self, run: Run) -> Run:
        """What the state machine does, without the waiting."""
        for batch in self.executions.started[run.run_id]["batches"]:
            stages.collect(self.table, self.blobs, self.node, self.sql, run.run_id, batch["first"])
            if stages.validate(self.table, self.blobs, self.sql, run.run_id, batch["first"]).status == "validated":
                stages.process(self.table, self.blobs, self.sql, run.run_id, batch["first"])
        stages.store(self.table, self.blobs, run.run_id)
        ended = stages.analyze(self.table, self.blobs, self.sql, self.clock, run.run_id)
        self.executions.statuses[run.run_id] = "SUCCEEDED"
        return ended

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything the manifest publishes, in order, derived rows included."""
        current, _ = manifest.load(self.blobs)
        found: dict[str, list[tuple[Any, ...]]] = {}
        for table in TABLES:
            paths = [self.blobs.fetch(segment.key(table)) for segment in (current.segments if current else ())]
            rows = self.sql.query(f"SELECT * FROM {table}", {table: [p for p in paths if p]}) if paths else []
            found[table] = sorted(tuple(row.values()) for row in rows)
        return found


def core(node: RegtestNode) -> BitcoinCore:
    return BitcoinCore.from_environment({"ISTHMUS_BITCOIN_URL": node.url, "ISTHMUS_BITCOIN_COOKIE": str(node.cookie)})


@pytest.fixture
def desk_on(tmp_path_factory: pytest.TempPathFactory) -> Callable[[RegtestNode], Desk]:
    """A fresh desk in front of a node."""
    return lambda node: Desk(tmp_path_factory.mktemp("desk"), core(node))


@pytest.fixture
def desk(lively_node: RegtestNode, desk_on: Callable[[RegtestNode], Desk]) -> Desk:
    """A fresh desk in front of a node with a small lively chain."""
    return desk_on(lively_node)
