"""The relay under every schedule of faults and beside every other relay: no event is lost, doubled or out of order."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from isthmus import feed, journal
from isthmus.failure import Conflict, Unavailable
from isthmus.storage.adapters.sqlite import SqliteTable
from isthmus.storage.table import Put, Write
from tests.faults.feed import FeedTrial, feed_trial, happen, somebody_counts, somebody_relays
from tests.faults.world import MemoryTable, Schedule, World, schedules

MOST = 1_000
"""Of the 7,335 schedules that there are: all of one fault, and of two faults one in ten."""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few events are several transactions."""
    monkeypatch.setattr(feed, "MAX_BATCH", 3)


def test_without_a_fault_everything_is_fed_and_told_once() -> None:
    run = feed_trial({})

    assert run.broken == []
    assert len(run.bus.heard) == len({one.id for one in run.bus.heard}) == len(run.followed) == 12


def test_no_schedule_of_two_faults_loses_doubles_or_disorders_an_event() -> None:
    ran = [(dict(schedule), run.broken) for schedule, run in trials(faults=2)]

    assert [one for one in ran if one[1]] == []
    assert len(ran) == MOST


@pytest.mark.parametrize("somebody", [somebody_relays, somebody_counts])
def test_nobody_who_comes_between_two_calls_disturbs_it(somebody: Callable[[MemoryTable], None]) -> None:
    calls = feed_trial({}).table.calls
    runs = [feed_trial({}, before_call=number, somebody=somebody) for number in range(1, calls + 1)]

    assert [run.broken for run in runs if run.broken] == []
    assert calls > 50


@pytest.mark.parametrize("kind", ["delayed", "lost-answer", "crash", "crash-after"])
def test_a_relay_that_is_late_or_gone_and_another_that_takes_over(kind: str) -> None:
    plain = feed_trial({})
    writes = [number for number, (name, _) in enumerate(plain.world.calls) if name == "transact"]
    runs = [
        feed_trial({index: kind}, before_call=number, somebody=somebody_relays)
        for index in writes
        for number in range(1, plain.table.calls, 2)
    ]

    assert [run.broken for run in runs if run.broken] == []


def trials(*, faults: int) -> Iterator[tuple[Schedule, FeedTrial]]:
    """A run under each schedule, fewest faults first."""
    runs: list[FeedTrial] = []

    def run(schedule: Schedule) -> World:
        runs[:] = [feed_trial(schedule)]
        return runs[0].world

    for schedule, _ in schedules(run, faults=faults, at_most=MOST):
        yield schedule, runs[0]


def test_the_invariants_notice_a_relay_without_its_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    right = feed._batch

    def careless(table: Any) -> tuple[list[Write], int]:
        writes, count = right(table)
        return [Put(one.pk, one.sk, one.item) if isinstance(one, Put) else one for one in writes], count

    monkeypatch.setattr(feed, "_batch", careless)
    assert any(run.broken for _, run in trials(faults=2))


def test_the_invariants_notice_a_relay_that_believes_the_outbox(monkeypatch: pytest.MonkeyPatch) -> None:
    def as_they_lie(table: Any, aggregate: str, after: int, limit: int) -> list[journal.Event]:
        return sorted(journal.history(table, aggregate, after=after, limit=limit), key=journal.outbox_key)

    monkeypatch.setattr(feed, "_following", as_they_lie)
    assert feed_trial({}).broken


def test_the_invariants_notice_a_bus_that_is_told_nothing_after_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful:
        def __init__(self, bus: Any) -> None:
            self.bus = bus

        def publish(self, news: Any) -> None:
            try:
                self.bus.publish(news)
            except Unavailable:
                return

    right = feed.publish
    monkeypatch.setattr(feed, "publish", lambda table, bus, more: right(table, Forgetful(bus), more))
    assert any(run.broken for _, run in trials(faults=1))


def test_who_follows_stops_at_a_number_that_is_not_visible_yet() -> None:
    table = MemoryTable(World({}, calm=True))
    for number in range(4):
        happen(table, f"tally/{number}")
    feed.relay(table, lambda: True)
    hidden = table.items.pop((feed.FEED, f"event/{2:016d}"))

    assert [one.number for one in feed.read(table, after=0)] == [1]
    assert feed.read(table, after=1) == []
    table.items[feed.FEED, f"event/{2:016d}"] = hidden
    assert [one.number for one in feed.read(table, after=1)] == [2, 3, 4]


def test_many_relays_many_writers_and_who_follows_on_a_real_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MAX_BATCH", 33)
    stores = [SqliteTable(tmp_path / "table.sqlite") for _ in range(8)]
    start, done, followed = Barrier(8), list[int](), list[feed.Fed]()

    def write(number: int) -> None:
        start.wait()
        for count in range(40):
            happen_on(stores[number], f"tally/{count % 5}")
        done.append(number)

    def relay(number: int) -> None:
        start.wait()
        while len(done) < 4 or stores[number].query(journal.OUTBOX).rows:
            feed.relay(stores[number], lambda: True)

    def follow() -> None:
        start.wait()
        while len(followed) < 160:
            followed.extend(feed.read(stores[7], after=len(followed)))

    threads = [Thread(target=write, args=(number,)) for number in range(4)]
    threads += [Thread(target=relay, args=(number,)) for number in range(4, 7)] + [Thread(target=follow)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [one.number for one in followed] == list(range(1, 161))
    assert len({one.id for one in followed}) == 160
    for name in {one.aggregate for one in followed}:
        assert [one.version for one in followed if one.aggregate == name] == list(range(1, 33))


def happen_on(table: Any, name: str) -> None:
    """One more event, however many others want the same."""
    while True:
        try:
            happen(table, name)
        except Conflict:
            continue
        return
