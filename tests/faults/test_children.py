"""A child for somebody else's transaction under schedules of two faults: one child at most, and the books agree.

C1 at most one child exists; C2 who was told that it succeeded finds it, and so does the record; C3 who was told that it
failed finds none; C4 nothing is held back, and the budget has paid the child's fee if there is one, and nothing else.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from isthmus import journal
from isthmus.access import budgets
from isthmus.bitcoin.cpfp import Child
from isthmus.bitcoin.payments import connector
from isthmus.failure import Failure
from isthmus.ledger.engine import Ledger
from isthmus.ledger.records import FINAL, NOT_RECORDED, UNSETTLED, Intent, aggregate, leased
from tests.faults.node import TILL
from tests.faults.payment import ADA, answer
from tests.faults.wallet_world import VSIZE, WalletNode
from tests.faults.world import Crash, MemoryTable, Schedule, World, schedules

PARENT = "b" * 64
WANTED = Child(TILL, PARENT, max_fee_sat=9_000, feerate_sat_per_kvb=20_000, target_blocks=2)
INTENT = Intent("bitcoin.bump_fee", "bitcoin", ADA, "child", {"txid": PARENT})
FEE_SAT = 20 * 2 * VSIZE - VSIZE
MOST = 400


@dataclass
class Trial:
    """One run; afterwards the parent is mined with what waits, or excluded if nobody has the child."""

    world: World
    after: str
    now_ms: int = 1_000_000
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.table = MemoryTable(self.world)
        self.node = WalletNode(self.world, {"c" * 63 + "1:0": 80_000})
        self.node.arrive(PARENT, 40_000)
        made: Any = connector(self.table, self.node)
        self.engine = Ledger(self.table, {"bitcoin": made}, lambda: self.now_ms)

    def client(self) -> None:
        for _ in range(3):
            self.now_ms += 700
            self.told.append(answer(self.engine, INTENT, WANTED))
            if self.told[-1] in FINAL:
                return

    def reconcile(self) -> None:
        self.now_ms += 3_700_000
        with suppress(Crash, Failure):
            self.engine.reconcile(until_ms=self.now_ms + 60_000)

    def run(self) -> None:
        self.client()
        if self.after == "mined":
            self.node.mine()
        if self.after == "excluded" and not self.node.effects:
            self.node.exclude(PARENT)
        self.reconcile()
        self.world.settle_down()
        for _ in range(3):
            self.reconcile()
        self.node.mine()
        self.reconcile()

    @property
    def broken(self) -> list[str]:
        """What does not hold at the end."""
        record = journal.load(self.table, aggregate(INTENT.payment_id))
        final = record.state if record is not None and record.state not in NOT_RECORDED else "none"
        number = len(self.node.effects)
        state = budgets.budget(self.table._item(budgets.BUDGETS, ADA.id), self.now_ms)
        held = state.reserved_msat or leased(self.table, "bitcoin") or self.table.query(UNSETTLED).rows
        found = {
            "C1": number <= 1,
            "C2": (final == "succeeded") == bool(number) and ("succeeded" not in self.told or bool(number)),
            "C3": not {"refused", "failed"} & set(self.told) or not number,
            "C4": not held and state.spent_msat == number * FEE_SAT * 1000,
        }
        return [name for name, holds in found.items() if not holds]


@pytest.mark.parametrize("after", ["waits", "mined", "excluded"])
def test_whatever_goes_wrong_there_is_one_child_at_most_and_the_books_agree(after: str) -> None:
    trials: list[Trial] = []

    def run(schedule: Schedule) -> World:
        trials.append(Trial(World(schedule), after))
        trials[-1].run()
        return trials[-1].world

    broken = {}
    for schedule, _ in schedules(run, faults=2, at_most=MOST):
        if found := trials[-1].broken:
            broken[str(schedule)] = (found, trials[-1].told, trials[-1].node.effects)
    assert not broken, f"{len(broken)} of {len(trials)}, such as {next(iter(broken.items()))}"
    assert len(trials) == MOST
    assert {len(one.node.effects) for one in trials} == ({0, 1} if after == "excluded" else {1})
