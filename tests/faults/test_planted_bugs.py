"""The harness is tried itself: each engine here has one bug of the field, and the schedules find every one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from isthmus import journal
from isthmus.access import budgets
from isthmus.bitcoin.payments import BitcoinPayments
from isthmus.effects import Outcome, Prepared, Refused, Succeeded, Unknown
from isthmus.failure import Failure
from isthmus.journal import Change, Head
from isthmus.ledger.engine import Ledger
from isthmus.ledger.records import FINAL, PAYMENT, UNSETTLED, Intent, prepared_of
from isthmus.storage.table import Put, Write
from tests.faults.payment import CASES, WANTED, Case, trial
from tests.faults.world import Schedule, World, schedules

MOST = 2_500
GONE = Refused("refused", "test/gone", "No trace of it.", "Pay again.", for_good=True)


class NoAnswerIsNo(Ledger):
    """Takes a lost answer for a failure, as wallets of the field do."""

    def _record(self, head: Head, outcome: Outcome, *, first: bool) -> Head:
        return super()._record(head, GONE if isinstance(outcome, Unknown) else outcome, first=first)


class EveryNoIsFinal(Ledger):
    """Believes a refusal though an earlier copy may still arrive."""

    def _record(self, head: Head, outcome: Outcome, *, first: bool) -> Head:
        final = replace(outcome, for_good=True) if isinstance(outcome, Refused) else outcome
        return super()._record(head, final, first=first)


class PaysAnew(Ledger):
    """Makes another transaction when the first was lost."""

    def settle(self, head: Head) -> Head:
        if head.state in FINAL:
            return head
        again = self.connectors["bitcoin"].prepare(WANTED)
        return self._record(head, self.connectors["bitcoin"].send(again), first=False)


class SendsBeforeItRecords(Ledger):
    """Writes down what it has sent, afterwards."""

    def _recorded(self, change: Change, also: list[Write]) -> Head:
        self.connectors["bitcoin"].send(prepared_of(change.head))
        return super()._recorded(change, also)


class ForgetsItsLeases(Ledger):
    """Never gives back the coins of a settled payment."""

    def _also(self, change: Change, now_ms: int) -> list[Write]:
        return [one for one in super()._also(change, now_ms) if not one.pk.startswith("ledger/leases")]


class KeepsTheReservation(Ledger):
    """Never gives back the budget of a refused payment, nor books that of a paid one."""

    def _also(self, change: Change, now_ms: int) -> list[Write]:
        return [one for one in super()._also(change, now_ms) if not one.pk.startswith(budgets.BUDGETS)]


class GivesBackEarly(Ledger):
    """Frees the budget as soon as the answer is lost."""

    def _also(self, change: Change, now_ms: int) -> list[Write]:
        found = super()._also(change, now_ms)
        if change.head.state != "unknown":
            return found
        by, payment_id = change.head.data["by"], change.head.data["payment_id"]
        item, mark = self.table.get(budgets.BUDGETS, by), self.table.get(budgets.marks(by), payment_id)
        return [*found, *budgets.freeing(item, mark, by, payment_id, now_ms)]


class ListsItLater(Ledger):
    """Puts a payment into the list of the unsettled after it has recorded it, not with it."""

    def _recorded(self, change: Change, also: list[Write]) -> Head:
        head = super()._recorded(change, [one for one in also if one.pk != UNSETTLED])
        for one in also:
            if isinstance(one, Put) and one.pk == UNSETTLED:
                self.table.put(one.pk, one.sk, one.item)
        return head


class TakesItOffTheListEarly(Ledger):
    """Takes a payment off the list as soon as somebody looks after it."""

    def _looked_after(self, payment_id: str, looks: int) -> str:
        self.table.delete(UNSETTLED, payment_id)
        return super()._looked_after(payment_id, looks)


class SaysNoWithoutRecording(Ledger):
    """Refuses a repetition while the record of the first call may still come."""

    def _declined(self, head: Head, intent: Intent, failure: Failure) -> Head:
        found = journal.load(self.table, head.aggregate)
        if found is not None:
            return found
        raise failure


class TellsNobody(Ledger):
    """Changes the record without its event in the outbox."""

    def _apply(self, head: Head, event: str, data: dict[str, Any]) -> Head:
        now_ms = self.now_ms()
        change = journal.draft(PAYMENT, head, event, data, now_ms=now_ms, by=head.data["by"])
        rows = [one for one in journal.writes(change) if one.pk != journal.OUTBOX]
        self.table.transact([*rows, *self._also(change, now_ms)])
        return change.head


class BooksNothing(Ledger):
    """Books a payment as free of charge."""

    def _record(self, head: Head, outcome: Outcome, *, first: bool) -> Head:
        return super()._record(head, Succeeded(0) if isinstance(outcome, Succeeded) else outcome, first=first)


class GivesUpAfterTheCrash(Ledger):
    """Refuses a payment that is still being sent, because whoever sent it must be gone."""

    def settle(self, head: Head) -> Head:
        return self._record(head, GONE, first=False) if head.state == "sending" else super().settle(head)


@dataclass(frozen=True)
class AbsentIsNo(BitcoinPayments):
    """Takes what the node has never seen for refused."""

    def look_up(self, prepared: Prepared) -> Outcome:
        found = super().look_up(prepared)
        return GONE if isinstance(found, Unknown) and found.seen is False else found


ENGINES: list[type[Ledger]] = [
    NoAnswerIsNo,
    EveryNoIsFinal,
    PaysAnew,
    SendsBeforeItRecords,
    ForgetsItsLeases,
    KeepsTheReservation,
    GivesBackEarly,
    ListsItLater,
    TakesItOffTheListEarly,
    SaysNoWithoutRecording,
    TellsNobody,
    BooksNothing,
    GivesUpAfterTheCrash,
]
CONNECTORS: list[type[BitcoinPayments]] = [AbsentIsNo]
BUGS: list[tuple[type[Ledger], type[BitcoinPayments]]] = [
    *((engine, BitcoinPayments) for engine in ENGINES),
    *((Ledger, connector) for connector in CONNECTORS),
]


def first_violation(
    engine: type[Ledger], connector: Callable[..., Any], case: Case
) -> tuple[Schedule, list[str]] | None:
    """The first schedule that shows the bug, or None."""
    broken: list[list[str]] = []

    def run(schedule: Schedule) -> World:
        try:
            done = trial(schedule, case, engine, connector)
        except Failure as failure:
            broken.append([f"the engine stopped: {failure.code}"])
            return World({})
        broken.append(done.broken)
        return done.world

    for schedule, _ in schedules(run, faults=2, at_most=MOST):
        if broken[-1]:
            return schedule, broken[-1]
    return None


@pytest.mark.parametrize(("engine", "connector"), BUGS, ids=lambda one: one.__name__)
def test_a_planted_bug_is_found(engine: type[Ledger], connector: type[BitcoinPayments]) -> None:
    assert any(first_violation(engine, connector, case) for case in CASES)
