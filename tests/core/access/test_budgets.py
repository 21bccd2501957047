"""Budgets: what is reserved and spent within a window never passes the limit, whoever asks at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from isthmus.access import budgets
from isthmus.access.budgets import BUDGETS, DAY_MS, HOUR_MS, IDLE_MS, KEPT_MS, MAX_OPEN, MINUTE_MS, Limits
from isthmus.access.caller import Caller
from isthmus.access.reservations import MAX_TRIES, release, reserve, settle, standing
from isthmus.failure import Conflict, Failure, Integrity, Invalid, Limited, Unavailable
from isthmus.storage.adapters.sqlite import SqliteTable
from isthmus.storage.limits import item_bytes
from isthmus.storage.refusals import conflict
from isthmus.storage.table import Absent, Check, Delete, Equals, Item, Put, Write

NOW_MS = 1_800_000_000_000  # the begin of an hour
CALLER = Caller("did", "did:key:zSpender", "client")
LIMITS = Limits(max_msat=1_000, day_msat=2_500, hour_count=5)
PLENTY = Limits(10**18, 10**18, 10**6)


@pytest.fixture
def table(tmp_path: Path) -> SqliteTable:
    return SqliteTable(tmp_path / "table.sqlite", now_s=lambda: NOW_MS // 1000)


@dataclass
class Memory:
    """As much of a table as budgets need, quick enough for thousands of runs."""

    items: dict[tuple[str, str], Item] = field(default_factory=dict)

    def get(self, pk: str, sk: str) -> Item | None:
        return self.items.get((pk, sk))

    def transact(self, writes: list[Write]) -> None:
        for write in writes:
            stored = self.items.get((write.pk, write.sk))
            if isinstance(write.when, Absent) and stored is not None:
                raise conflict()
            if isinstance(write.when, Equals) and (stored or {}).get(write.when.attribute) != write.when.value:
                raise conflict()
        for write in writes:
            if isinstance(write, Put):
                self.items[write.pk, write.sk] = write.item
            assert isinstance(write, Put | Check)


def take(table: Any, intent: str, msat: int, *, now_ms: int = NOW_MS, limits: Limits = LIMITS) -> bool:
    """Whether the reservation was made anew."""
    return reserve(table, CALLER, intent, msat, limits, now_ms=now_ms).anew


def spend(table: Any, intent: str, msat: int, *, now_ms: int = NOW_MS) -> None:
    settle(table, CALLER, intent, msat, now_ms=now_ms)


def give_back(table: Any, intent: str, *, now_ms: int = NOW_MS) -> str:
    return release(table, CALLER.id, intent, now_ms=now_ms)


def used(table: Any, now_ms: int = NOW_MS) -> tuple[int, int, int]:
    """Reserved, spent and counted."""
    now = standing(table, CALLER.id, now_ms)
    return now.reserved_msat, now.spent_msat, now.count


# Three steps


def test_what_is_reserved_is_held_until_it_is_settled_and_the_rest_is_free_again(table: SqliteTable) -> None:
    assert take(table, "a", 1_000)
    assert used(table) == (1_000, 0, 1)
    spend(table, "a", 400)
    assert used(table) == (0, 400, 1)


def test_what_was_refused_is_free_again_but_was_tried(table: SqliteTable) -> None:
    take(table, "a", 1_000)
    assert give_back(table, "a") == "released"
    assert used(table) == (0, 0, 1)


def test_the_same_intent_is_reserved_once(table: SqliteTable) -> None:
    assert take(table, "a", 1_000)
    assert not take(table, "a", 1_000)
    assert used(table) == (1_000, 0, 1)


def test_a_repeated_reservation_is_answered_even_when_there_is_nothing_left(table: SqliteTable) -> None:
    take(table, "a", 1_000)
    assert not take(table, "a", 1_000, limits=Limits(0, 0, 0))


def test_the_same_intent_over_another_amount_is_a_conflict(table: SqliteTable) -> None:
    take(table, "a", 1_000)
    with pytest.raises(Conflict) as failed:
        take(table, "a", 999)
    assert failed.value.code == "budget/other-amount"


def test_a_closed_intent_is_never_reserved_again(table: SqliteTable) -> None:
    take(table, "a", 10)
    spend(table, "a", 10)
    take(table, "b", 10)
    give_back(table, "b")
    moved = []
    for intent in "ab":
        with pytest.raises(Conflict) as failed:
            take(table, intent, 10, now_ms=NOW_MS + 30 * DAY_MS)
        assert failed.value.code == "budget/intent-closed"
        moved.append(failed.value.money_moved)
    assert moved == ["yes", "no"]


def test_what_was_released_before_it_was_reserved_is_never_reserved(table: SqliteTable) -> None:
    assert give_back(table, "late") == "nothing"
    with pytest.raises(Conflict):
        take(table, "late", 10)
    assert give_back(table, "late") == "nothing"


def test_settling_and_releasing_again_does_nothing(table: SqliteTable) -> None:
    for intent in "ab":
        take(table, intent, 100)
    for _ in range(3):
        spend(table, "a", 70)
        assert give_back(table, "b") == "released"
    assert used(table) == (0, 70, 2)


def test_a_release_after_the_settlement_does_nothing_and_says_so(table: SqliteTable) -> None:
    take(table, "a", 100)
    spend(table, "a", 70)
    assert give_back(table, "a") == "settled"
    assert used(table) == (0, 70, 1)


def test_the_first_settlement_stands(table: SqliteTable) -> None:
    take(table, "a", 100)
    spend(table, "a", 70)
    with pytest.raises(Conflict) as failed:
        spend(table, "a", 71)
    assert (failed.value.code, failed.value.money_moved) == ("budget/settled", "yes")
    assert used(table) == (0, 70, 1)


@pytest.mark.parametrize("before", ["reserved less", "released", "never"])
def test_money_that_went_without_a_reservation_is_a_broken_invariant(table: SqliteTable, before: str) -> None:
    if before != "never":
        take(table, "a", 99)
    if before == "released":
        give_back(table, "a")
    held = used(table)
    with pytest.raises(Integrity) as failed:
        spend(table, "a", 100)
    assert failed.value.money_moved == "yes"
    assert used(table) == held


@pytest.mark.parametrize("intent", ["", "x" * 129, "a b", "ü", "\n", "a\n"])
def test_an_intent_is_a_short_visible_name(table: SqliteTable, intent: str) -> None:
    for ask in (lambda: take(table, intent, 1), lambda: spend(table, intent, 1), lambda: give_back(table, intent)):
        with pytest.raises(Invalid):
            ask()


@pytest.mark.parametrize("amount", [-1, 1.0, True, "1", None])
def test_an_amount_is_an_integer_that_is_not_negative(table: SqliteTable, amount: Any) -> None:
    take(table, "a", 10)
    for ask in (lambda: take(table, "b", amount), lambda: spend(table, "a", amount)):
        with pytest.raises(Invalid):
            ask()


def test_callers_have_budgets_of_their_own(table: SqliteTable) -> None:
    take(table, "a", 1_000)
    other = Caller("key", "0123456789abcdef", "client")
    assert reserve(table, other, "a", 900, LIMITS, now_ms=NOW_MS).anew
    assert standing(table, other.id, NOW_MS).reserved_msat == 900


# Limits


def limited(table: Any, msat: int, *, now_ms: int = NOW_MS, limits: Limits = LIMITS) -> Limited:
    with pytest.raises(Limited) as failed:
        take(table, "one-more", msat, now_ms=now_ms, limits=limits)
    return failed.value


def test_no_request_passes_its_own_limit_and_waiting_does_not_help(table: SqliteTable) -> None:
    refused = limited(table, 1_001)
    assert (refused.code, refused.retry_after_ms) == ("budget/request", None)
    assert take(table, "a", 1_000)


def test_a_refusal_says_what_is_left_and_changes_nothing(table: SqliteTable) -> None:
    take(table, "a", 1_000)
    take(table, "b", 1_000)
    refused = limited(table, 501)
    assert (refused.code, refused.retry_after_ms) == ("budget/day", None)
    assert "500 of 2500 msat" in refused.detail
    assert used(table) == (2_000, 0, 2)
    assert take(table, "c", 500)


def test_what_was_spent_counts_for_a_day_at_least_and_the_refusal_says_how_long(table: SqliteTable) -> None:
    at = NOW_MS + 10 * MINUTE_MS
    for intent, msat in {"a": 1_000, "b": 1_000, "c": 500}.items():
        take(table, intent, msat, now_ms=at)
        spend(table, intent, msat, now_ms=at)
    assert limited(table, 1, now_ms=at + DAY_MS).code == "budget/day"
    wait = limited(table, 1, now_ms=at).retry_after_ms
    assert wait == DAY_MS + 50 * MINUTE_MS
    assert limited(table, 1, now_ms=at + wait - 1).retry_after_ms == 1
    assert take(table, "d", 1, now_ms=at + wait)


def test_the_wait_is_for_so_much_as_is_asked_for(table: SqliteTable) -> None:
    for hour in range(5):
        take(table, f"h{hour}", 500, now_ms=NOW_MS + hour * HOUR_MS)
        spend(table, f"h{hour}", 500, now_ms=NOW_MS + hour * HOUR_MS)
    now = NOW_MS + 4 * HOUR_MS
    waits = [limited(table, msat, now_ms=now).retry_after_ms for msat in (1, 500, 501, 1_000)]
    assert waits == [DAY_MS - 3 * HOUR_MS, DAY_MS - 3 * HOUR_MS, DAY_MS - 2 * HOUR_MS, DAY_MS - 2 * HOUR_MS]


def test_waiting_does_not_help_against_what_is_not_settled(table: SqliteTable) -> None:
    for intent, msat in {"a": 1_000, "b": 1_000, "c": 500}.items():
        take(table, intent, msat)
    assert limited(table, 1, now_ms=NOW_MS + 100 * DAY_MS).retry_after_ms is None


def test_what_is_settled_late_counts_from_then_on(table: SqliteTable) -> None:
    take(table, "a", 1_000)
    spend(table, "a", 1_000, now_ms=NOW_MS + 3 * DAY_MS)
    assert used(table, NOW_MS + 3 * DAY_MS + DAY_MS) == (0, 1_000, 0)
    assert used(table, NOW_MS + 3 * DAY_MS + DAY_MS + HOUR_MS) == (0, 0, 0)


def test_so_many_requests_in_an_hour_and_no_more(table: SqliteTable) -> None:
    for number in range(5):
        take(table, f"n{number}", 0, now_ms=NOW_MS + number * MINUTE_MS)
    at = NOW_MS + 4 * MINUTE_MS
    refused = limited(table, 0, now_ms=at)
    assert (refused.code, refused.retry_after_ms) == ("budget/hour", HOUR_MS - 3 * MINUTE_MS)
    assert take(table, "later", 0, now_ms=at + HOUR_MS - 3 * MINUTE_MS)
    assert limited(table, 0, now_ms=at + HOUR_MS - 3 * MINUTE_MS).retry_after_ms == MINUTE_MS


def test_who_may_spend_nothing_is_told_that_waiting_does_not_help(table: SqliteTable) -> None:
    assert limited(table, 0, limits=Limits(0, 0, 0)).retry_after_ms is None
    assert limited(table, 1, limits=Limits(1, 0, 1)).retry_after_ms is None


# What is stored


def full(now_ms: int = NOW_MS) -> Item:
    """The largest budget there can be: all reservations open, every hour and minute in use."""
    return {
        "opened": {f"{number:0128}": 10**18 for number in range(MAX_OPEN)},
        "hours": {str(now_ms // HOUR_MS - ago): 10**18 for ago in range(25)},
        "minutes": {str(now_ms // MINUTE_MS - ago): 10**6 for ago in range(61)},
        "version": now_ms,
    }


def test_a_thousand_reservations_may_be_open_and_no_more() -> None:
    limits = Limits(10**18, 10**24, 10**9)
    memory = Memory({(BUDGETS, CALLER.id): full()})
    assert limited(memory, 1, limits=limits).code == "budget/open"
    give_back(memory, f"{0:0128}")
    assert take(memory, "x", 1, limits=limits)


def test_the_largest_budget_fits_into_an_item_twice() -> None:
    assert item_bytes(full()) < 200_000


def test_what_left_the_windows_leaves_the_item(table: SqliteTable) -> None:
    for hour in range(100):
        at = NOW_MS + hour * HOUR_MS
        take(table, f"h{hour}", 1, now_ms=at)
        spend(table, f"h{hour}", 1, now_ms=at)
    item = table.get(BUDGETS, CALLER.id)
    assert item is not None
    assert (len(item["hours"]), len(item["minutes"]), item["opened"]) == (25, 2, {})


def test_an_idle_budget_may_go_and_one_with_open_reservations_never(table: SqliteTable) -> None:
    take(table, "a", 1)
    assert "expires_at" not in (table.get(BUDGETS, CALLER.id) or {})
    spend(table, "a", 1)
    assert (table.get(BUDGETS, CALLER.id) or {})["expires_at"] == (NOW_MS + IDLE_MS) // 1000
    assert (table.get(budgets.marks(CALLER.id), "a") or {})["expires_at"] == (NOW_MS + KEPT_MS) // 1000


def test_a_budget_that_is_made_anew_never_has_a_version_it_had(table: SqliteTable) -> None:
    take(table, "a", 1)
    spend(table, "a", 1)
    before = (table.get(BUDGETS, CALLER.id) or {})["version"]
    table.transact([Delete(BUDGETS, CALLER.id)])
    take(table, "b", 1, now_ms=NOW_MS + IDLE_MS)
    assert (table.get(BUDGETS, CALLER.id) or {})["version"] > before + 1


def test_a_reservation_is_two_writes_that_fit_into_another_transaction(table: SqliteTable) -> None:
    put, check = budgets.reservation(None, CALLER.id, "a", 10, LIMITS, NOW_MS)
    table.transact([put, check, Put("ledger", "a", {}, Absent())])
    assert used(table) == (10, 0, 1)
    assert not take(table, "a", 10)


def test_a_transaction_that_never_looked_at_the_mark_of_a_closed_intent_is_refused(table: SqliteTable) -> None:
    take(table, "a", 10)
    give_back(table, "a")
    with pytest.raises(Conflict):
        table.transact(budgets.reservation(table.get(BUDGETS, CALLER.id), CALLER.id, "a", 10, LIMITS, NOW_MS))
    assert used(table) == (0, 0, 1)


# Many at once


AtOnce = Callable[[int, Callable[[int], Any]], list[Any]]


@pytest.fixture
def at_once() -> AtOnce:
    def run(threads: int, work: Callable[[int], Any]) -> list[Any]:
        barrier = Barrier(threads)

        def one(number: int) -> Any:
            barrier.wait()
            try:
                return work(number)
            except Failure as failure:
                return failure

        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(one, range(threads)))

    return run


def test_of_fifty_with_money_for_one_exactly_one_gets_it(table: SqliteTable, at_once: AtOnce) -> None:
    limits = Limits(1_000, 1_999, 100)
    answers = at_once(50, lambda number: take(table, f"i{number}", 1_000, limits=limits))
    assert answers.count(True) == 1
    assert sum(isinstance(answer, Limited) for answer in answers) == 49
    assert used(table) == (1_000, 0, 1)


def test_of_fifty_with_one_intent_exactly_one_reserves_it(table: SqliteTable, at_once: AtOnce) -> None:
    answers = at_once(50, lambda _: take(table, "the-same", 1_000))
    assert (answers.count(True), answers.count(False)) == (1, 49)
    assert used(table) == (1_000, 0, 1)


def test_of_settling_and_releasing_at_once_one_counts_and_both_agree(table: SqliteTable, at_once: AtOnce) -> None:
    for round_ in range(5):
        intent = f"r{round_}"
        take(table, intent, 100, limits=PLENTY)
        spent = used(table)[1]
        work = [lambda intent=intent: spend(table, intent, 100), lambda intent=intent: give_back(table, intent)]
        answers = at_once(10, lambda number, work=work: work[number % 2]())
        if used(table)[1] == spent:
            assert {answer for answer in answers[1::2] if isinstance(answer, str)} == {"released"}
            assert all(isinstance(answer, Integrity) for answer in answers[::2])
        else:
            assert used(table)[1] == spent + 100
            assert answers == [None, "settled"] * 5


def test_all_of_twenty_get_what_there_is_enough_of(table: SqliteTable, at_once: AtOnce) -> None:
    answers = at_once(20, lambda number: take(table, f"i{number}", 10, limits=PLENTY))
    assert answers == [True] * 20
    assert used(table) == (200, 0, 20)


def test_who_never_gets_its_turn_is_told_so_and_nothing_has_changed() -> None:
    class Busy(Memory):
        tries = 0

        def transact(self, writes: list[Write]) -> None:
            self.tries += 1
            raise conflict()

    busy = Busy()
    with pytest.raises(Unavailable) as failed:
        take(busy, "a", 1)
    assert (failed.value.code, busy.tries, busy.items) == ("budget/contended", MAX_TRIES, {})


# Any order of everything


class Interleaved(Memory):
    """Every transaction may find that others wrote since this one read: a step of somebody else comes in between."""

    def __init__(self) -> None:
        super().__init__()
        self.between: list[Callable[[], None]] = []

    def transact(self, writes: list[Write]) -> None:
        if self.between:
            self.between.pop()()
        super().transact(writes)


def total(moments: list[tuple[int, int]], now_ms: int) -> int:
    """What was spent within the 24 hours until now."""
    return sum(msat for at_ms, msat in moments if at_ms > now_ms - DAY_MS)


class Spending(RuleBasedStateMachine):
    """Against a model that remembers every moment: what is held and spent in 24 hours never passes the limit."""

    intents = st.sampled_from([f"i{number}" for number in range(8)])
    amounts = st.integers(0, 1_100)

    @initialize()
    def start(self) -> None:
        self.table, self.now_ms = Interleaved(), NOW_MS
        self.held: dict[str, int] = {}
        self.spent: list[tuple[int, int]] = []
        self.tried: list[int] = []
        self.closed: dict[str, str] = {}

    def _take(self, intent: str, msat: int) -> None:
        try:
            anew = take(self.table, intent, msat, now_ms=self.now_ms)
        except Conflict:
            assert intent in self.closed or self.held.get(intent, msat) != msat
        except Limited:
            assert intent not in self.held
        else:
            assert intent not in self.closed
            assert anew == (intent not in self.held)
            if anew:
                self.held[intent] = msat
                self.tried.append(self.now_ms)

    def _settle(self, intent: str, msat: int) -> None:
        try:
            spend(self.table, intent, msat, now_ms=self.now_ms)
        except Integrity:
            assert msat > self.held.get(intent, -1)
        except Conflict:
            assert self.closed[intent].startswith("settled")
        else:
            if intent in self.held:
                del self.held[intent]
                self.spent.append((self.now_ms, msat))
                self.closed[intent] = f"settled {msat}"
            assert self.closed[intent] == f"settled {msat}"

    def _release(self, intent: str) -> None:
        outcome = give_back(self.table, intent, now_ms=self.now_ms)
        if intent in self.held:
            assert outcome == "released"
            self.closed[intent] = "released" if self.held.pop(intent) else "released nothing"
        elif outcome == "settled":
            assert self.closed[intent].startswith("settled")
        else:
            self.closed.setdefault(intent, "released nothing")
            assert outcome == ("released" if self.closed[intent] == "released" else "nothing")

    def _do(self, step: tuple[str, str, int]) -> None:
        what, intent, msat = step
        if what == "take":
            self._take(intent, msat)
        elif what == "settle":
            self._settle(intent, msat)
        else:
            self._release(intent)

    steps = st.tuples(st.sampled_from(["take", "settle", "release"]), intents, amounts)

    @rule(step=steps)
    def one(self, step: tuple[str, str, int]) -> None:
        self._do(step)

    @rule(step=steps, others=st.lists(steps, min_size=1, max_size=3))
    def one_with_others_between_its_reading_and_its_writing(
        self, step: tuple[str, str, int], others: list[tuple[str, str, int]]
    ) -> None:
        self.table.between = [lambda other=other: self._do(other) for other in others]
        self._do(step)
        self.table.between = []

    @rule(ms=st.sampled_from([1, MINUTE_MS, 59 * MINUTE_MS, HOUR_MS, 5 * HOUR_MS, 23 * HOUR_MS, DAY_MS, 3 * DAY_MS]))
    def time_goes_by(self, ms: int) -> None:
        self.now_ms += ms

    @invariant()
    def no_limit_is_passed(self) -> None:
        now = standing(self.table, CALLER.id, self.now_ms)
        assert now.opened == self.held
        assert now.spent_msat >= total(self.spent, self.now_ms)
        assert sum(self.held.values()) + total(self.spent, self.now_ms) <= LIMITS.day_msat
        assert sum(at_ms > self.now_ms - HOUR_MS for at_ms in self.tried) <= LIMITS.hour_count


Spending.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestSpending = Spending.TestCase


@given(
    steps=st.lists(st.tuples(st.integers(0, 2 * HOUR_MS), st.integers(1, 1_000)), max_size=60),
    limits=st.builds(Limits, st.integers(1, 1_000), st.integers(1, 5_000), st.integers(0, 20)),
)
@settings(max_examples=100, deadline=None)
def test_whoever_waits_as_long_as_it_is_told_gets_what_it_asks_for(
    steps: list[tuple[int, int]], limits: Limits
) -> None:
    memory, now_ms = Memory(), NOW_MS
    for number, (pause_ms, msat) in enumerate(steps):
        now_ms += pause_ms
        for wait in waits(memory, f"i{number}", msat, limits, now_ms):
            now_ms += wait
        spend_if_held(memory, f"i{number}", now_ms)


def waits(memory: Memory, intent: str, msat: int, limits: Limits, now_ms: int) -> Iterator[int]:
    """How long one is told to wait: once for the day and once for the hour at most, and then no more."""
    told: list[int] = []
    while (refused := refusal(memory, intent, msat, limits, now_ms + sum(told))) is not None:
        if refused.retry_after_ms is None:
            assert msat > min(limits.max_msat, limits.day_msat) or limits.hour_count == 0
            return
        assert refused.retry_after_ms > 0
        assert len(told) < 2
        told.append(refused.retry_after_ms)
        yield told[-1]


def refusal(memory: Memory, intent: str, msat: int, limits: Limits, now_ms: int) -> Limited | None:
    try:
        take(memory, intent, msat, now_ms=now_ms, limits=limits)
    except Limited as refused:
        return refused
    return None


def spend_if_held(memory: Memory, intent: str, now_ms: int) -> None:
    held = standing(memory, CALLER.id, now_ms).opened  # type: ignore[arg-type]
    if intent in held:
        spend(memory, intent, held[intent], now_ms=now_ms)
