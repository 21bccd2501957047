"""The journal: events that follow each other, heads that are what the events say."""

import hashlib
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus import journal
from isthmus.failure import Conflict, Integrity, NotFound
from isthmus.journal import OUTBOX, START, Head, Lifecycle
from isthmus.storage.adapters.sqlite import SqliteTable
from isthmus.storage.table import Absent, Put, Table
from tests.faults.feed import BusyTable
from tests.faults.world import MemoryTable, World
from tests.readable import check_readable, refusal

DOOR = Lifecycle("door", {(START, "built"): "shut", ("shut", "opened"): "open", ("open", "shut"): "shut"})
NAME = "house/door/front"


@pytest.fixture
def table(tmp_path: Path) -> SqliteTable:
    return SqliteTable(tmp_path / "table.sqlite")


def happen(table: Table, head: Head, event: str, **data: Any) -> Head:
    return journal.apply(table, journal.draft(DOOR, head, event, data, now_ms=head.at_ms + 5, by="ada"))


def opened(table: Table) -> Head:
    return happen(table, happen(table, journal.fresh(NAME), "built", wood="oak", keys=1), "opened", keys=2)


def test_what_happened_is_read_back_in_one_get(table: SqliteTable) -> None:
    head = opened(table)

    assert journal.load(table, NAME) == head
    assert (head.version, head.state, head.data) == (2, "open", {"wood": "oak", "keys": 2})


def test_what_nobody_wrote_is_not_there(table: SqliteTable) -> None:
    assert journal.load(table, NAME) is None
    assert refusal(lambda: journal.verify(table, NAME)) == (NotFound, "state/no-aggregate")
    assert refusal(lambda: journal.rebuild(table, NAME)) == (NotFound, "state/no-aggregate")


@pytest.mark.parametrize("state", ["", "shut", "open"])
@pytest.mark.parametrize("event", ["built", "opened", "shut"])
def test_only_what_the_table_of_transitions_says_may_happen(state: str, event: str) -> None:
    before = replace(journal.fresh(NAME), state=state)
    if (state, event) in DOOR.transitions:
        change = journal.draft(DOOR, before, event, {}, now_ms=1, by="ada")
        assert change.head.state == DOOR.transitions[state, event]
    else:
        with pytest.raises(Conflict):
            journal.draft(DOOR, before, event, {}, now_ms=1, by="ada")


def test_events_come_back_in_order_each_with_the_hash_of_the_one_before(table: SqliteTable) -> None:
    opened(table)
    first, second = journal.history(table, NAME)

    assert (first.type, first.previous, first.data) == ("built", "", {"wood": "oak", "keys": 1})
    assert (second.type, second.previous, second.by) == ("opened", first.hash, "ada")
    assert journal.history(table, NAME, after=1) == [second]
    assert journal.history(table, NAME, limit=1) == [first]


def test_every_event_waits_in_the_outbox_with_its_change(table: SqliteTable) -> None:
    opened(table)

    assert [row.item for row in table.query(OUTBOX).rows] == [
        {"aggregate": NAME, "version": 1},
        {"aggregate": NAME, "version": 2},
    ]


def test_who_comes_second_with_the_same_version_changes_nothing(table: SqliteTable) -> None:
    head = opened(table)
    happen(table, head, "shut")

    with pytest.raises(Conflict):
        happen(table, head, "shut", keys=9)
    assert journal.verify(table, NAME).data["keys"] == 2
    assert len(table.query(OUTBOX).rows) == 3


def test_of_many_at_once_one_wins(table: SqliteTable) -> None:
    head, start, won = opened(table), Barrier(8), list[str]()

    def shut(name: str) -> None:
        change = journal.draft(DOOR, head, "shut", {"by": name}, now_ms=9, by=name)
        start.wait()
        try:
            journal.apply(table, change)
        except Conflict:
            return
        won.append(name)

    threads = [Thread(target=shut, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1
    assert journal.verify(table, NAME).data["by"] == won[0]


def test_what_belongs_to_a_change_is_written_with_it_or_not_at_all(table: SqliteTable) -> None:
    table.put("taken", "-", {})
    change = journal.draft(DOOR, journal.fresh(NAME), "built", {}, now_ms=1, by="ada")

    with pytest.raises(Conflict):
        journal.apply(table, change, [Put("taken", "-", {}, Absent())])
    assert journal.load(table, NAME) is None


@pytest.mark.parametrize("field", ["type", "state", "data", "at_ms", "by", "previous", "hash", "version"])
def test_an_event_that_was_changed_is_noticed(table: SqliteTable, field: str) -> None:
    opened(table)
    key = "event/000000000001"
    item = table.get(f"journal/{NAME}", key)
    assert item is not None
    other: dict[str, Any] = {"data": {"wood": "ash"}, "at_ms": 77, "version": 7}
    table.put(f"journal/{NAME}", key, item | {field: other.get(field, "other")})

    assert refusal(lambda: journal.verify(table, NAME)) == (Integrity, "state/broken-chain")
    assert refusal(lambda: journal.rebuild(table, NAME)) == (Integrity, "state/broken-chain")


def test_the_first_event_that_is_wrong_is_named(table: SqliteTable) -> None:
    happen(table, opened(table), "shut")
    table.delete(f"journal/{NAME}", "event/000000000002")

    with pytest.raises(Integrity, match=f"^Event 2 of {NAME} is missing, or is not what was written"):
        journal.verify(table, NAME)


@pytest.mark.parametrize(("number", "code"), [(1, "state/broken-chain"), (2, "state/wrong-head")])
def test_an_event_that_is_gone_is_noticed(table: SqliteTable, number: int, code: str) -> None:
    opened(table)
    table.delete(f"journal/{NAME}", f"event/{number:012d}")

    assert refusal(lambda: journal.verify(table, NAME)) == (Integrity, code)


@pytest.mark.parametrize("wrong", [{"state": "shut"}, {"data": {}}, {"hash": "0"}, {"at_ms": 0}, {"version": 1}])
def test_a_head_that_is_not_what_the_events_say_is_noticed_and_built_anew(
    table: SqliteTable, wrong: dict[str, Any]
) -> None:
    head = opened(table)
    item = table.get(f"journal/{NAME}", "head")
    assert item is not None
    table.put(f"journal/{NAME}", "head", item | wrong)

    assert refusal(lambda: journal.verify(table, NAME)) == (Integrity, "state/wrong-head")
    assert journal.rebuild(table, NAME) == head
    assert journal.verify(table, NAME) == head


def test_a_head_that_is_gone_is_noticed_and_built_anew(table: SqliteTable) -> None:
    head = opened(table)
    table.delete(f"journal/{NAME}", "head")

    assert refusal(lambda: journal.verify(table, NAME)) == (Integrity, "state/wrong-head")
    assert journal.rebuild(table, NAME) == head


def beside(before_call: int) -> BusyTable:
    """A table with two events, to which a third happens before one of the next calls."""

    def somebody(aside: MemoryTable) -> None:
        happen(aside, known, "shut", keys=3)

    table = BusyTable(World({}, calm=True), 0, somebody)
    known = opened(table)
    table._before_call = table.calls + before_call
    return table


@pytest.mark.parametrize("before_call", [1, 2, 3])
def test_who_verifies_beside_a_writer_is_not_alarmed(before_call: int) -> None:
    head = journal.verify(beside(before_call), NAME)
    assert head.version == (3 if before_call == 1 else 2)


@pytest.mark.parametrize("before_call", [1, 2, 3, 4])
def test_who_rebuilds_beside_a_writer_never_takes_anything_back(before_call: int) -> None:
    table = beside(before_call)
    if before_call == 1:
        assert journal.rebuild(table, NAME).version == 3
    else:
        with pytest.raises(Conflict):
            journal.rebuild(table, NAME)
    assert (journal.verify(table, NAME).version, table.calls >= before_call) == (3, True)


def test_what_goes_by_the_state_of_an_aggregate_fails_when_it_has_changed(table: SqliteTable) -> None:
    head = opened(table)
    table.transact([journal.unchanged(head), Put("by the open door", "one", {})])
    happen(table, head, "shut")

    with pytest.raises(Conflict):
        table.transact([journal.unchanged(head), Put("by the open door", "two", {})])
    assert table.get("by the open door", "two") is None


def test_an_event_is_hashed_alike_in_every_release(table: SqliteTable) -> None:
    opened(table)
    _, second = journal.history(table, NAME)
    content = f'["{second.previous}","house/door/front",2,"opened","open",{{"keys":2}},10,"ada"]'

    assert second.hash == hashlib.sha256(content.encode()).hexdigest()
    assert journal.digest(replace(second, data={"b": "\u00e4", "a": 1})) == (
        hashlib.sha256(content.replace('{"keys":2}', '{"a":1,"b":"\\u00e4"}').encode()).hexdigest()
    )


def test_the_outbox_is_about_in_the_order_of_time_and_has_a_place_for_each_event_of_a_moment() -> None:
    first = journal.draft(DOOR, journal.fresh("a"), "built", {}, now_ms=999, by="ada").event
    later = journal.draft(DOOR, journal.fresh("a"), "built", {}, now_ms=1_000, by="ada").event
    beside_it = journal.draft(DOOR, journal.fresh("b"), "built", {}, now_ms=1_000, by="ada").event

    assert journal.outbox_key(first) == f"0000000000999-{first.hash[:32]}"
    assert journal.outbox_key(first) < min(journal.outbox_key(later), journal.outbox_key(beside_it))
    assert journal.outbox_key(later) != journal.outbox_key(beside_it)


def test_a_long_history_is_verified_page_by_page(table: SqliteTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_PAGE", 3)
    head = happen(table, journal.fresh(NAME), "built")
    for number in range(10):
        head = happen(table, head, "opened" if head.state == "shut" else "shut", number=number)

    assert journal.verify(table, NAME) == head == journal.folded(table, NAME)
    assert journal.folded(table, NAME, until=4).version == 4


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), values, max_size=3), max_size=6))
def test_whatever_the_events_carry_the_head_is_their_sum(tmp_path_factory: Any, carried: list[dict[str, Any]]) -> None:
    table = SqliteTable(tmp_path_factory.mktemp("journal") / "table.sqlite")
    head, total = happen(table, journal.fresh(NAME), "built"), dict[str, Any]()
    for data in carried:
        head = happen(table, head, "opened" if head.state == "shut" else "shut", **data)
        total |= data

    assert head.data == total
    assert journal.verify(table, NAME) == head


def test_a_failure_of_the_lifecycle_says_what_is_and_what_to_do() -> None:
    with pytest.raises(Conflict) as refused:
        DOOR.after("", "opened")
    check_readable(refused.value.problem("one"))
    assert (refused.value.code, refused.value.detail) == (
        "state/not-allowed",
        "A door that is not there cannot become opened.",
    )
    with pytest.raises(Conflict, match="A door that is open cannot become built"):
        DOOR.after("open", "built")
