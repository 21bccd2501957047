"""Telling whoever subscribed: each transition once, or again under the same id."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from isthmus.failure import Unavailable
from isthmus.faults import analysis, news
from isthmus.faults.breaker import PARTITION as BREAKERS
from isthmus.faults.groups import find, save
from isthmus.faults.trends import HOUR_MS
from isthmus.ports import News
from isthmus.storage.adapters.sqlite import SqliteTable

Happen = Callable[..., None]
NOON = 480_000 * HOUR_MS
ID = "v1:" + "a" * 64


class Bus:
    """Keeps what is published, and fails before or after it when told so."""

    def __init__(self) -> None:
        self.heard: list[News] = []
        self.breaks = ""

    def publish(self, told: Sequence[News]) -> None:
        if self.breaks != "before":
            self.heard += told
        if self.breaks:
            raise Unavailable("The bus did not answer.", next_step="Repeat.")


@pytest.fixture
def bus() -> Bus:
    return Bus()


def analyzed(table: SqliteTable, bus: Bus, now_ms: int) -> int:
    analysis.analyze(table, now_ms)
    return news.tell(table, bus, now_ms)


def test_a_new_group_is_told_once(faulty: SqliteTable, happen: Happen, bus: Bus) -> None:
    happen(NOON)
    assert [analyzed(faulty, bus, NOON + minute) for minute in range(3)] == [1, 0, 0]
    (told,) = bus.heard
    assert (told.source, told.type) == ("isthmus.faults", "fault group new")
    assert told.detail == {
        "group": ID,
        "operation": "bitcoin.get_block",
        "kind": "unavailable",
        "severity": "warning",
        "code": "bitcoin/timeout",
        "status": "new",
        "count": 1,
        "first_seen_ms": NOON,
        "last_seen_ms": NOON,
    }


def test_each_transition_is_told_and_calming_down_is_none(faulty: SqliteTable, happen: Happen, bus: Bus) -> None:
    for hour in range(10):
        happen(NOON + hour * HOUR_MS)
    analyzed(faulty, bus, NOON + 9 * HOUR_MS)
    happen(NOON + 10 * HOUR_MS, count=100)
    for hour in range(10, 14):
        analyzed(faulty, bus, NOON + hour * HOUR_MS + 1)
    save(faulty, replace(find(faulty, ID), status="resolved", resolved_ms=NOON + 14 * HOUR_MS))
    analyzed(faulty, bus, NOON + 14 * HOUR_MS + 1)
    happen(NOON + 15 * HOUR_MS)
    analyzed(faulty, bus, NOON + 15 * HOUR_MS)
    assert [one.type.rpartition(" ")[2] for one in bus.heard] == ["new", "escalating", "regressed"]
    assert len({one.id for one in bus.heard}) == 3


@pytest.mark.parametrize(("breaks", "times"), [("before", 1), ("after", 2)])
def test_what_a_bus_did_not_confirm_is_told_again_under_the_same_id(
    faulty: SqliteTable, happen: Happen, bus: Bus, breaks: str, times: int
) -> None:
    happen(NOON)
    bus.breaks = breaks
    with pytest.raises(Unavailable):
        analyzed(faulty, bus, NOON + 1)
    bus.breaks = ""
    assert analyzed(faulty, bus, NOON + 2) == 1
    assert analyzed(faulty, bus, NOON + 3) == 0
    assert len(bus.heard) == times
    assert len({one.id for one in bus.heard}) == 1


def test_a_critical_group_stops_what_spends_in_its_domain_and_says_so(
    faulty: SqliteTable, happen: Happen, bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    happen(NOON, severity="critical")
    analyzed(faulty, bus, NOON + 1)
    held = faulty.get(BREAKERS, "spend:bitcoin")
    assert held is not None
    assert held["state"] == "held"
    assert "CRITICAL" in {record.levelname for record in caplog.records}


def test_a_brake_that_a_person_released_is_not_pulled_for_the_same_news(
    faulty: SqliteTable, happen: Happen, bus: Bus
) -> None:
    happen(NOON, severity="critical")
    analyzed(faulty, bus, NOON + 1)
    faulty.delete(BREAKERS, "spend:bitcoin")
    analyzed(faulty, bus, NOON + 2)
    assert faulty.get(BREAKERS, "spend:bitcoin") is None


def test_groups_of_an_earlier_release_are_no_news(faulty: SqliteTable, happen: Happen, bus: Bus) -> None:
    happen(NOON)
    analysis.analyze(faulty, NOON)
    item = find(faulty, ID).item()
    faulty.put(
        "faults/groups", ID, {name: value for name, value in item.items() if name not in ("changed_ms", "told_ms")}
    )
    assert news.tell(faulty, bus, NOON) == 0


def test_what_is_published_is_json(faulty: SqliteTable, happen: Happen, bus: Bus) -> None:
    happen(NOON)
    analyzed(faulty, bus, NOON)
    assert json.loads(json.dumps(bus.heard[0].detail))["group"] == ID
