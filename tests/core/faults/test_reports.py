"""Reporting a failure: one small write, and never at the answer's expense."""

import json
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isthmus import VERSION, wiring
from isthmus.failure import Defect, Failure, Integrity, NotFound, Unavailable, Unknown, Upstream
from isthmus.faults import reports
from isthmus.faults.reports import MAX_GROUPS, PARTITION, Reporter
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Table
from isthmus.storage.adapters.sqlite import SqliteTable
from tests.callers import OWNER

EVENT = {"requestContext": {"requestId": "r", "http": {"method": "GET"}, "authorizer": OWNER}}


class Ask(Request):
    """Nothing."""


@operation("GET /v1/break", effect=Effect.READ)
def break_down(request: Ask) -> Response:
    """Break down."""
    raise ValueError("secret 12345")


@operation("GET /v1/miss", effect=Effect.READ)
def miss(request: Ask) -> Response:
    """Find nothing."""
    raise NotFound("Not there.", next_step="Look elsewhere.")


class HeldClock:
    now = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now


class Silent:
    """A store that does not answer until it is let go."""

    def __init__(self) -> None:
        self.asked = 0
        self.go_on = threading.Event()

    def put(self, *arguments: Any, **named: Any) -> None:
        self.asked += 1
        self.go_on.wait(30)


class Down:
    def put(self, *arguments: Any, **named: Any) -> None:
        raise Unavailable("The store did not answer.", next_step="Wait.", code="storage/unavailable")


def failed(group: str = "v1:aa", kind: type[Failure] = Defect) -> Failure:
    failure = kind("Block 5 of 10.0.0.1 is odd.", next_step="Look.", upstream=Upstream("bitcoin", -1))
    failure.group = group
    return failure


@pytest.fixture
def table(tmp_path: Path) -> SqliteTable:
    return SqliteTable(tmp_path / "table.sqlite")


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def reporter(table: SqliteTable, clock: HeldClock) -> Reporter:
    return Reporter(lambda: table, clock, patience_s=30)


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteTable]:
    """A process with a store of its own."""
    monkeypatch.setenv("ISTHMUS_HOME", str(tmp_path))
    table = SqliteTable(tmp_path / "inbox.sqlite")
    reports._reporter.cache_clear()
    with wiring.replaced({Table: table}):
        yield table
    reports._reporter.cache_clear()


def inbox(table: Table) -> list[dict[str, Any]]:
    return [row.item for row in table.query(PARTITION).rows]


def test_a_report_says_what_failed_and_nothing_of_what_was_asked(reporter: Reporter, table: SqliteTable) -> None:
    reporter.report("bitcoin.get_block", "http", "r", failed())
    [item] = inbox(table)
    assert item["detail"] == "Block <number> of <ip> is odd."
    assert (item["operation"], item["kind"], item["system"], item["upstream_code"]) == (
        "bitcoin.get_block",
        "defect",
        "bitcoin",
        "-1",
    )
    assert (item["count"], item["at_ms"], item["group"]) == (1, HeldClock.now, "v1:aa")


def test_a_storm_is_twenty_reports_a_minute_and_loses_no_count(
    reporter: Reporter, table: SqliteTable, clock: HeldClock
) -> None:
    for _ in range(500):
        reporter.report("a.b", "http", "r", failed())
    clock.now += 60_000
    reporter.report("a.b", "http", "r", failed())
    assert sorted(item["count"] for item in inbox(table)) == [1] * 20 + [481]


def test_groups_do_not_wait_for_each_other(reporter: Reporter, table: SqliteTable) -> None:
    reporter.report("a.b", "http", "r", failed("v1:aa"))
    reporter.report("a.b", "http", "r", failed("v1:bb"))
    assert len(inbox(table)) == 2


def test_what_is_remembered_about_groups_is_bounded(reporter: Reporter) -> None:
    for number in range(MAX_GROUPS + 50):
        reporter.report("a.b", "http", "r", failed(f"v1:{number}"))
    assert len(reporter._waiting) <= MAX_GROUPS
    assert len(reporter._written) <= MAX_GROUPS


def test_while_the_store_keeps_silent_nobody_asks_it_again(clock: HeldClock) -> None:
    silent: Any = Silent()
    reporter = Reporter(lambda: silent, clock, patience_s=0.01)
    for number in range(5):
        reporter.report("a.b", "http", "r", failed(f"v1:{number}"))
    assert silent.asked == 1
    silent.go_on.set()


def test_a_store_that_is_down_is_a_line_in_the_log(clock: HeldClock, caplog: pytest.LogCaptureFixture) -> None:
    down: Any = Down()
    Reporter(lambda: down, clock, patience_s=30).report("a.b", "http", "r", failed())
    [line] = [vars(record) for record in caplog.records]
    assert (line["message"], line["unreported"], line["code"]) == ("unreported", 1, "storage/unavailable")


def test_the_control_flow_reports_a_defect_under_the_group_its_answer_names(at_home: SqliteTable) -> None:
    document = json.loads(break_down(EVENT, None)["body"])
    [item] = inbox(at_home)
    assert (item["group"], item["kind"], item["instance"]) == (document["group"], "defect", "r")
    assert "12345" not in json.dumps(item)


def test_the_log_line_names_the_group(caplog: pytest.LogCaptureFixture) -> None:
    document = json.loads(miss(EVENT, None)["body"])
    assert [vars(record)["group"] for record in caplog.records] == [document["group"]]


def test_what_a_caller_did_wrong_is_nobody_elses_business(at_home: SqliteTable) -> None:
    assert json.loads(miss(EVENT, None)["body"])["group"].startswith("v1:")
    assert inbox(at_home) == []


@pytest.mark.parametrize(("kind", "seen"), [(Defect, 1), (Integrity, 1), (Unavailable, 1), (NotFound, 0), (Unknown, 0)])
def test_three_kinds_are_reported(at_home: SqliteTable, kind: type[Failure], seen: int) -> None:
    reports.report("a.b", "task", "r", failed(kind=kind))
    assert len(inbox(at_home)) == seen


@pytest.mark.parametrize("store", [Down(), Silent()], ids=["down", "silent"])
def test_the_answer_is_the_same_whatever_the_store_does(store: Any, at_home: SqliteTable) -> None:
    usual = break_down(EVENT, None)
    reports._reporter.cache_clear()
    with wiring.replaced({Table: store}):
        assert break_down(EVENT, None) == usual


def test_without_a_store_nothing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ISTHMUS_HOME", raising=False)
    monkeypatch.delenv("ISTHMUS_TABLE", raising=False)
    silent: Any = Silent()
    with wiring.replaced({Table: silent}):
        reports.report("a.b", "http", "r", failed())
    assert silent.asked == 0


def test_the_release_in_a_report_is_the_projects() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
