"""The feed, call by call: what comes into it, who reads how far, and what the bus is told."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from isthmus import feed, journal
from isthmus.journal import START, Lifecycle
from isthmus.ports import News
from isthmus.storage.adapters.sqlite import SqliteTable
from isthmus.storage.table import Put, Table
from tests.faults.feed import BusyTable
from tests.faults.world import MemoryTable, World

TALLY = Lifecycle("tally", {(START, "begun"): "counting", ("counting", "counted"): "counting"})


def happen(table: Table, name: str, *, tenant: str = "", now_ms: int = 1_000) -> None:
    head = journal.load(table, name)
    data = {"tenant": tenant} if tenant else {}
    event = "counted" if head else "begun"
    journal.apply(table, journal.draft(TALLY, head or journal.fresh(name), event, data, now_ms=now_ms, by="ada"))


def always() -> bool:
    return True


def numbers(events: Sequence[feed.Fed]) -> list[int]:
    return [one.number for one in events]


class ToldBus:
    """A bus that remembers each of its calls, and lets somebody else come first."""

    def __init__(self, meanwhile: Callable[[], None] | None = None) -> None:
        self.calls: list[list[int]] = []
        self.meanwhile = meanwhile

    def publish(self, news: Sequence[News]) -> None:
        self.calls.append([one.detail["number"] for one in news])
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()


@pytest.fixture
def table() -> MemoryTable:
    return MemoryTable(World({}, calm=True))


# moving


def test_what_is_moved_is_in_the_feed_and_waits_no_more(table: MemoryTable) -> None:
    happen(table, "tally/of/a")
    happen(table, "tally/of/a")

    assert (feed.end(table), feed.relay(table, always)) == (0, 2)
    first, second = feed.read(table, after=0)
    event = journal.history(table, "tally/of/a")[1]
    assert (second.id, second.aggregate, second.version, second.type) == (event.hash, "tally/of/a", 2, "counted")
    assert (second.number, second.state, second.at_ms) == (2, "counting", 1_000)
    assert (first.topic, second.topic) == ("tally.of.begun", "tally.of.counted")
    assert (feed.end(table), feed.relay(table, always)) == (2, 0)
    assert table.query(journal.OUTBOX).rows == ()


def test_many_batches_are_moved_and_all_counted(table: MemoryTable) -> None:
    for number in range(feed.MAX_BATCH + 2):
        happen(table, f"tally/{number}")

    assert feed.relay(table, always) == feed.MAX_BATCH + 2
    assert numbers(feed.read(table, after=0)) == list(range(1, feed.MAX_BATCH + 3))


def test_no_batch_is_larger_than_a_transaction_takes(table: MemoryTable, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []

    class Counting(MemoryTable):
        def transact(self, writes: Sequence[object]) -> None:
            written.append(len(writes))
            super().transact(writes)  # type: ignore[arg-type]

    many = Counting(World({}, calm=True))
    for number in range(120):
        happen(many, f"tally/{number % 40}")
    written.clear()

    assert feed.relay(many, always) == 120
    assert len(written) > 1
    assert max(written) <= 100


def test_a_relay_ends_when_its_time_is_over(table: MemoryTable) -> None:
    happen(table, "tally/a")

    assert feed.relay(table, lambda: False) == 0
    assert feed.read(table, after=0) == []


def test_of_one_aggregate_the_events_come_in_their_order_whatever_the_clocks_say(table: MemoryTable) -> None:
    happen(table, "tally/a", now_ms=5_000)
    happen(table, "tally/b", now_ms=2_000)
    happen(table, "tally/a", now_ms=1_000)
    feed.relay(table, always)

    assert [(one.aggregate, one.version) for one in feed.read(table, after=0)] == [
        ("tally/a", 1),
        ("tally/a", 2),
        ("tally/b", 1),
    ]


def test_an_event_is_its_first_events_tenants(table: MemoryTable) -> None:
    happen(table, "tally/a", tenant="other")
    happen(table, "tally/b")
    feed.relay(table, always)
    happen(table, "tally/a")
    happen(table, "tally/b", tenant="other")
    feed.relay(table, always)

    assert {(one.aggregate, one.version): one.tenant for one in feed.read(table, after=0)} == {
        ("tally/a", 1): "other",
        ("tally/a", 2): "other",
        ("tally/b", 1): "main",
        ("tally/b", 2): "main",
    }


def test_what_lies_in_the_outbox_before_its_event_is_seen_keeps_no_other_back(table: MemoryTable) -> None:
    happen(table, "tally/a")
    row = ("journal/tally/a", "event/000000000001")
    hidden = table.items.pop(row)
    happen(table, "tally/b", now_ms=2_000)

    assert feed.relay(table, always) == 1
    assert [one.aggregate for one in feed.read(table, after=0)] == ["tally/b"]
    table.items[row] = hidden
    assert feed.relay(table, always) == 1


def test_a_relay_that_is_overtaken_moves_nothing_twice_and_leaves_nothing_to_be_lost() -> None:
    def another(aside: MemoryTable) -> None:
        feed.relay(aside, always)
        happen(aside, "tally/c")

    for before_call in range(1, 8):
        table = BusyTable(World({}, calm=True), 0, another)
        happen(table, "tally/a")
        happen(table, "tally/b")
        table._before_call = table.calls + before_call

        feed.relay(table, always)
        feed.relay(table, always)
        assert sorted(one.aggregate for one in feed.read(table, after=0)) == ["tally/a", "tally/b", "tally/c"]
        assert table.query(journal.OUTBOX).rows == ()


def test_a_relay_whose_batch_another_has_moved_takes_the_next(table: MemoryTable) -> None:
    def another(aside: MemoryTable) -> None:
        feed.relay(aside, always)
        happen(aside, "tally/b")

    calls = alone()
    busy = BusyTable(World({}, calm=True), 0, another)
    happen(busy, "tally/a")
    busy._before_call = busy.calls + calls

    assert feed.relay(busy, always) == 1
    assert [one.aggregate for one in feed.read(busy, after=0)] == ["tally/a", "tally/b"]


def alone() -> int:
    """How many calls one batch of one event makes; the last is its transaction."""
    table = BusyTable(World({}, calm=True), 0, None)
    happen(table, "tally/a")
    before = table.calls
    asked = iter([True, False])
    feed.relay(table, lambda: next(asked))
    return table.calls - before


# reading


def test_who_reads_goes_on_behind_what_they_have(table: MemoryTable) -> None:
    for number in range(5):
        happen(table, f"tally/{number}")
    feed.relay(table, always)

    assert numbers(feed.read(table, after=2)) == [3, 4, 5]
    assert numbers(feed.read(table, after=2, limit=2)) == [3, 4]
    assert feed.read(table, after=5) == []


def test_what_was_before_is_read_backwards(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "table.sqlite")
    for number in range(5):
        happen(table, f"tally/{number}")
    feed.relay(table, always)

    assert numbers(feed.before(table, 4)) == [3, 2, 1]
    assert numbers(feed.before(table, 6, limit=2)) == [5, 4]
    assert feed.before(table, 1) == []


def test_without_a_limit_a_hundred_are_read(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "table.sqlite")
    for number in range(101):
        happen(table, f"tally/{number % 3}")
    feed.relay(table, always)

    assert numbers(feed.read(table, after=0)) == list(range(1, 101))
    assert numbers(feed.before(table, 102)) == list(range(101, 1, -1))


# telling


def test_the_bus_is_told_everything_once_in_batches_of_a_hundred(table: MemoryTable) -> None:
    for number in range(101):
        happen(table, f"tally/{number % 3}")
    feed.relay(table, always)
    bus = ToldBus()

    assert feed.publish(table, bus, always) == 101
    assert bus.calls == [list(range(1, 101)), [101]]
    assert feed.publish(table, bus, always) == 0


def test_the_bus_is_told_which_event_it_is_and_nothing_of_what_it_carries(table: MemoryTable) -> None:
    happen(table, "tally/of/a", tenant="other")
    feed.relay(table, always)
    heard: list[News] = []

    class Bus:
        def publish(self, news: Sequence[News]) -> None:
            heard.extend(news)

    assert feed.publish(table, Bus(), always) == 1
    (event,) = journal.history(table, "tally/of/a")
    detail = {"number": 1, "tenant": "other", "aggregate": "tally/of/a", "version": 1, "type": "begun"}
    assert heard == [
        News(event.hash, "isthmus.state", "tally.of.begun", detail | {"state": "counting", "at_ms": 1_000})
    ]


def test_nothing_is_told_when_the_time_is_over(table: MemoryTable) -> None:
    happen(table, "tally/a")
    feed.relay(table, always)

    assert feed.publish(table, ToldBus(), lambda: False) == 0


def test_who_is_overtaken_while_telling_goes_on_where_the_other_stopped(table: MemoryTable) -> None:
    happen(table, "tally/a")
    feed.relay(table, always)
    other = ToldBus()

    def overtaken() -> None:
        assert feed.publish(table, other, always) == 1
        happen(table, "tally/a")
        happen(table, "tally/b")
        feed.relay(table, always)

    bus = ToldBus(overtaken)
    assert feed.publish(table, bus, always) == 2
    assert (bus.calls, other.calls) == ([[1], [2, 3]], [[1]])


def test_what_was_told_is_never_forgotten_by_who_comes_late(table: MemoryTable) -> None:
    happen(table, "tally/a")
    feed.relay(table, always)

    def overtaken() -> None:
        happen(table, "tally/a")
        feed.relay(table, always)
        feed.publish(table, ToldBus(), always)

    feed.publish(table, ToldBus(overtaken), always)
    bus = ToldBus()
    assert (feed.publish(table, bus, always), bus.calls) == (0, [])


def test_a_number_that_is_not_there_yet_is_waited_for(table: MemoryTable) -> None:
    happen(table, "tally/a")
    happen(table, "tally/b")
    feed.relay(table, always)
    row = (feed.FEED, f"event/{1:016d}")
    hidden = table.items.pop(row)

    assert feed.read(table, after=0) == []
    assert feed.publish(table, ToldBus(), always) == 0
    table.transact([Put(*row, {})])
    table.items[row] = hidden
    assert feed.publish(table, ToldBus(), always) == 2
