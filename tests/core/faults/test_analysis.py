"""From the inbox to groups and their standing."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from isthmus.failure import Unavailable
from isthmus.faults import analysis, groups
from isthmus.faults.groups import GROUPS, MAX_GROUPS, MAX_SAMPLES, Group, find, save, standing
from isthmus.faults.reports import PARTITION
from isthmus.faults.trends import HOUR_MS
from isthmus.storage.adapters.sqlite import SqliteTable
from isthmus.storage.table import Put, Write

Happen = Callable[..., None]
NOON = 480_000 * HOUR_MS
MINUTE = 60_000
ID = "v1:" + "a" * 64


def test_an_empty_inbox_changes_nothing(faulty: SqliteTable) -> None:
    assert analysis.analyze(faulty, NOON) == analysis.Analysis(0, 0, ())


def test_a_group_counts_by_the_hour_and_keeps_the_last_samples(faulty: SqliteTable, happen: Happen) -> None:
    for number in range(12):
        happen(NOON + number * 20 * MINUTE, count=2, release=f"0.{number // 6}")

    found = analysis.analyze(faulty, NOON + 5 * HOUR_MS)
    group = find(faulty, ID)

    assert (found.reports, found.groups) == (12, 1)
    assert group.hours == tuple((480_000 + hour, 6) for hour in range(4))
    assert (group.total, group.first_seen_ms, group.last_seen_ms) == (24, NOON, NOON + 220 * MINUTE)
    assert [sample["instance"] for sample in group.samples] == ["r8", "r9", "r10", "r11", "r12"]
    assert len(group.samples) == MAX_SAMPLES
    assert group.releases == ("0.0", "0.1")
    assert faulty.query(PARTITION).rows == ()


def test_more_reports_than_a_transaction_takes_are_all_taken(faulty: SqliteTable, happen: Happen) -> None:
    for number in range(205):
        happen(NOON + number)
    assert analysis.analyze(faulty, NOON + MINUTE).reports == 205
    assert find(faulty, ID).total == 205


class Breaking:
    """A store that stops answering, before or after a write."""

    def __init__(self, table: SqliteTable, chance: random.Random) -> None:
        self._table, self._chance = table, chance
        self.get, self.query, self.delete = table.get, table.query, table.delete
        self.put = table.put

    def transact(self, writes: Sequence[Write]) -> None:
        broken = self._chance.choice(["before", "after", ""])
        if broken != "before":
            self._table.transact(writes)
        if broken:
            raise Unavailable("The store did not answer.", next_step="Wait.")


@pytest.mark.parametrize("seed", range(5))
def test_each_report_is_counted_once_however_often_the_store_breaks(
    faulty: SqliteTable, happen: Happen, seed: int
) -> None:
    for number in range(100):
        happen(NOON + number, group=f"v1:{number % 7}")
    breaking: Any = Breaking(faulty, random.Random(seed))
    for _ in range(200):
        try:
            analysis.analyze(breaking, NOON + MINUTE)
        except Unavailable:
            continue
        break
    assert sum(group.total for group in groups.everything(faulty)) == 100


def test_what_somebody_changes_meanwhile_is_left_for_the_next_time(faulty: SqliteTable, happen: Happen) -> None:
    happen(NOON)
    analysis.analyze(faulty, NOON)
    happen(NOON + 1)
    transact, meanwhile = faulty.transact, [find(faulty, ID)]

    class Overtaken(Breaking):
        def transact(self, writes: Sequence[Write]) -> None:
            while meanwhile:
                save(faulty, meanwhile.pop())
            transact(writes)

    overtaken: Any = Overtaken(faulty, random.Random(0))
    assert analysis.analyze(overtaken, NOON + 2).reports == 0
    assert analysis.analyze(overtaken, NOON + 3).reports == 1
    assert find(faulty, ID).total == 2


@pytest.mark.parametrize("begin", [1, 20, 59])
def test_an_escalation_is_flagged_within_two_minutes_and_once(faulty: SqliteTable, happen: Happen, begin: int) -> None:
    chance = random.Random(begin)
    for minute in range(24 * 60):
        if chance.random() < 1 / 6:
            happen(NOON + minute * MINUTE)
    start = 24 * 60 + begin
    analysis.analyze(faulty, NOON + start * MINUTE)
    flagged = []
    for minute in range(start, start + 40):
        for second in range(0, 60, 10):
            happen(NOON + minute * MINUTE + second * 1_000, count=10)
        if analysis.analyze(faulty, NOON + (minute + 1) * MINUTE).escalated:
            flagged.append(minute + 1 - start)
    assert len(flagged) == 1
    assert flagged[0] <= 2
    assert find(faulty, ID).status == "escalating"


def test_an_escalation_ends(faulty: SqliteTable, happen: Happen) -> None:
    for hour in range(10):
        happen(NOON + hour * HOUR_MS)
    happen(NOON + 10 * HOUR_MS, count=100)
    statuses = []
    for hour in range(10, 14):
        analysis.analyze(faulty, NOON + hour * HOUR_MS + MINUTE)
        statuses.append(find(faulty, ID).status)
    assert statuses == ["escalating", "escalating", "new", "new"]


def test_when_there_are_too_many_groups_those_go_that_happened_first(faulty: SqliteTable, happen: Happen) -> None:
    known = [group(group=f"v1:{number:05d}", last_seen_ms=NOON + number) for number in range(MAX_GROUPS)]
    for first in range(0, MAX_GROUPS, 100):
        faulty.transact([Put(GROUPS, one.group, one.item()) for one in known[first : first + 100]])
    for number in range(3):
        happen(NOON + HOUR_MS, group=f"v1:new{number}")

    assert analysis.analyze(faulty, NOON + HOUR_MS).groups == MAX_GROUPS

    kept = {one.group for one in groups.everything(faulty)}
    assert kept == {one.group for one in known[3:]} | {f"v1:new{number}" for number in range(3)}


def group(**different: Any) -> Group:
    named = {"group": ID, "operation": "a.b", "kind": "defect", "severity": "error", "system": "", "upstream_code": ""}
    known: dict[str, Any] = {"first_seen_ms": NOON, "last_seen_ms": NOON, "hours": ((480_000, 1),)}
    return Group(**named | known | different)


STORM = (*((480_000 + hour, 1) for hour in range(10)), (480_010, 100))


@pytest.mark.parametrize(
    ("one", "hours_later", "status"),
    [
        (group(), 1, "new"),
        (group(), 24, "ongoing"),
        (group(resolved_ms=NOON + 1), 24, "resolved"),
        (group(resolved_ms=NOON - 1), 1, "regressed"),
        (group(hours=STORM), 10, "escalating"),
        (group(hours=STORM, resolved_ms=NOON - 1), 10, "escalating"),
        (group(hours=STORM, resolved_ms=NOON + 1), 10, "resolved"),
        (group(hours=STORM, muted_until_ms=NOON + 11 * HOUR_MS), 10, "muted"),
        (group(hours=STORM, muted_until_ms=NOON + 11 * HOUR_MS), 11, "escalating"),
        (group(hours=STORM), 12, "new"),
    ],
)
def test_where_a_group_stands(one: Group, hours_later: int, status: str) -> None:
    assert standing(one, NOON + hours_later * HOUR_MS) == status


def test_a_group_is_stored_and_read_as_it_is(faulty: SqliteTable) -> None:
    one = group(samples=({"at_ms": 1},), releases=("0.1.0",))
    saved = save(faulty, one)
    assert find(faulty, ID) == saved
    assert faulty.get(GROUPS, ID) is not None
