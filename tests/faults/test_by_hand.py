"""Two people settle a payment under every schedule of faults: the books close once, with what both have said."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from functions.ledger.settle_by_hand import settle_by_hand
from isthmus import journal
from isthmus.access import budgets
from isthmus.bitcoin.payments import CONNECTOR, connector
from isthmus.failure import Failure
from isthmus.ledger.engine import Ledger
from isthmus.ledger.records import PATIENCE_MS, UNSETTLED, aggregate, leased
from tests.faults.calls import OWNER, SmallWorld, small_world
from tests.faults.world import Crash, Schedule, World, schedules
from tests.operations.ledger.test_list_unsettled import lose_the_answer

SPENT_MSAT = 50_300_000
REFUSED: dict[str, Any] = {"verdict": "refused", "evidence": "I have seen that it can never happen."}
SUCCEEDED: dict[str, Any] = {
    "verdict": "succeeded",
    "evidence": "I have seen it in a block.",
    "spent_msat": SPENT_MSAT,
}
TRIES = 3
MOST = 800


@dataclass
class ByHand:
    """One run: a payment that waits for people, and what they were told."""

    here: SmallWorld
    payment_id: str
    told: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def say(self, what: dict[str, Any], who: str) -> None:
        """Say it until an answer comes."""
        caller = replace(self.here.owner(), id=who)
        for _ in range(TRIES):
            with suppress(Crash):
                status, body, _ = self.here.call(settle_by_hand, {"payment_id": self.payment_id, **what}, caller=caller)
                self.told.append(body["state"] if status == 200 else str(status))
                if status in (200, 409):
                    return

    def reconcile(self) -> None:
        """The schedule, which goes on looking in vain."""
        self.here.ms += 3_700_000
        ledger = Ledger(self.here.table, {CONNECTOR: connector(self.here.table, self.here.node)}, self.here.now_ms)
        with suppress(Crash, Failure):
            ledger.reconcile(until_ms=self.here.ms + 60_000)

    def judge(self, verdict: str) -> None:
        """Add what is broken at the end."""
        table = self.here.table
        books = budgets.budget(table.get(budgets.BUDGETS, OWNER), self.here.ms)
        head = journal.verify(table, aggregate(self.payment_id))
        if head.state != verdict:
            self.broken.append(f"it is {head.state}")
        if {"succeeded", "refused"} & set(self.told) - {verdict}:
            self.broken.append("somebody was told something else")
        if (books.reserved_msat, books.spent_msat) != (0, SPENT_MSAT if verdict == "succeeded" else 0):
            self.broken.append("the budget is not closed")
        if leased(table, CONNECTOR) or table.query(UNSETTLED).rows:
            self.broken.append("something is held back")
        said = [one["by"] for one in head.data.get("settlement", [])]
        if sorted(said) != ["did:key:zBea", OWNER]:
            self.broken.append("not two people have said so")


@contextmanager
def waiting() -> Iterator[ByHand]:
    """A payment in needs-person."""
    with small_world() as here:
        payment_id = lose_the_answer(here, "one").rpartition("/")[2]
        here.node.unreachable = True
        run = ByHand(here, payment_id)
        here.ms += PATIENCE_MS
        run.reconcile()
        yield run


def by_hand_trial(schedule: Schedule, what: dict[str, Any]) -> tuple[ByHand, World]:
    with waiting() as run:
        world = run.here.world
        world.schedule, world.calm = schedule, False
        run.say(what, OWNER)
        run.reconcile()
        run.say(what, "did:key:zBea")
        run.reconcile()
        world.settle_down()
        run.say(what, OWNER)
        run.say(what, "did:key:zBea")
        run.reconcile()
        run.judge(what["verdict"])
        return run, world


@pytest.mark.parametrize("what", [REFUSED, SUCCEEDED], ids=lambda one: str(one["verdict"]))
def test_no_schedule_of_two_faults_settles_it_twice_half_or_otherwise(what: dict[str, Any]) -> None:
    runs: list[ByHand] = []

    def run(schedule: Schedule) -> World:
        made, world = by_hand_trial(schedule, what)
        runs.append(made)
        return world

    broken = [
        (dict(schedule), runs[-1].broken) for schedule, _ in schedules(run, faults=2, at_most=MOST) if runs[-1].broken
    ]
    assert broken == []
    assert 400 < len(runs) < MOST, "these are all the schedules there are"


def test_without_a_fault_the_second_word_settles_it() -> None:
    run, _ = by_hand_trial({}, REFUSED)
    assert (run.broken, run.told[:2]) == ([], ["proposed", "refused"])
