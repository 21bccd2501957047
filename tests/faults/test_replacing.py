"""A bump of a settled payment under every schedule of one fault: its recipients are paid once, and both records agree.

R1 exactly one of the two transactions exists; R2 who was told that the bump succeeded finds the replacement; R3 who was
told that it failed finds the payment as it was; R4 the payment's record stays succeeded, and names its replacement if
and only if that is there; R5 nothing is held back, and the budget has paid the amount once and the fee that is there.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from isthmus import journal
from isthmus.access import budgets
from isthmus.bitcoin.payments import connector
from isthmus.bitcoin.replacing import Bump
from isthmus.failure import Failure
from isthmus.journal import Change
from isthmus.ledger.engine import Ledger
from isthmus.ledger.records import FINAL, NOT_RECORDED, UNSETTLED, Intent, aggregate, leased
from isthmus.storage.table import Write
from tests.faults.payment import ADA, AMOUNT_SAT, FEE_SAT, INTENT, LIMITS, WANTED, answer
from tests.faults.wallet_world import WalletNode
from tests.faults.world import Crash, MemoryTable, Schedule, World, schedules

BUMP = Bump(INTENT.payment_id, max_fee_sat=5_000, feerate_sat_per_kvb=None, target_blocks=2)
BUMPED = Intent("bitcoin.bump_fee", "bitcoin", ADA, "bump", {"payment_id": INTENT.payment_id})
NEW_FEE_SAT = 3 * FEE_SAT
MOST = 500


@dataclass
class Trial:
    """One run: a payment that succeeded, and a bump with faults."""

    world: World
    mined_first: bool
    kind: type[Ledger] = Ledger
    now_ms: int = 1_000_000
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world.calm = True
        self.table = MemoryTable(self.world)
        self.node = WalletNode(
            self.world, {"c" * 63 + "1:0": 80_000, "c" * 63 + "2:0": 90_000}, wallets={"till": False}
        )
        made: Any = connector(self.table, self.node)
        self.engine = self.kind(self.table, {"bitcoin": made}, lambda: self.now_ms)
        assert self.engine.pay(INTENT, WANTED, LIMITS).state == "succeeded"
        (self.old,) = self.node.effects

    def client(self) -> None:
        for _ in range(3):
            self.now_ms += 700
            self.told.append(answer(self.engine, BUMPED, BUMP))
            if self.told[-1] in FINAL:
                return

    def reconcile(self) -> None:
        self.now_ms += 3_700_000
        with suppress(Crash, Failure):
            self.engine.reconcile(until_ms=self.now_ms + 60_000)

    def run(self) -> None:
        self.world.calm = False
        self.client()
        if self.mined_first and self.old in self.node.mempool:
            self.node.mine()
        self.reconcile()
        self.world.settle_down()
        for _ in range(3):
            self.reconcile()
        self.node.mine()
        self.reconcile()

    @property
    def broken(self) -> list[str]:
        """What does not hold at the end."""
        head, record = (journal.load(self.table, aggregate(one.payment_id)) for one in (INTENT, BUMPED))
        assert head is not None
        final = record.state if record is not None and record.state not in NOT_RECORDED else "none"
        replaced = self.node.effects != [self.old]
        found = {
            "R1": len(self.node.effects) == 1,
            "R2": "succeeded" not in self.told or replaced,
            "R3": not {"refused", "failed"} & set(self.told) or not replaced,
            "R4": head.state == "succeeded" and ("replaced_by" in head.data) == replaced == (final == "succeeded"),
            "R5": self._books(NEW_FEE_SAT if replaced else FEE_SAT),
        }
        journal.verify(self.table, head.aggregate)
        return [name for name, holds in found.items() if not holds]

    def _books(self, fee_sat: int) -> bool:
        state = budgets.budget(self.table._item(budgets.BUDGETS, ADA.id), self.now_ms)
        held = state.reserved_msat or leased(self.table, "bitcoin") or self.table.query(UNSETTLED).rows
        return not held and state.spent_msat == (AMOUNT_SAT + fee_sat) * 1000


@pytest.mark.parametrize("mined_first", [False, True])
def test_whatever_goes_wrong_the_recipients_are_paid_once_and_both_records_agree(mined_first: bool) -> None:  # noqa: FBT001
    trials: list[Trial] = []

    def run(schedule: Schedule) -> World:
        trials.append(Trial(World(schedule), mined_first))
        trials[-1].run()
        return trials[-1].world

    broken = {}
    for schedule, _ in schedules(run, faults=2, at_most=MOST):
        if found := trials[-1].broken:
            broken[str(schedule)] = (found, trials[-1].told, trials[-1].node.effects)
    assert not broken, f"{len(broken)} of {len(trials)}, such as {next(iter(broken.items()))}"
    assert len(trials) > 100


class NamesNoReplacement(Ledger):
    """Leaves the record of the replaced payment as it was."""

    def _replaced(self, change: Change, now_ms: int) -> list[Write]:
        return []


class BumpsAnotherTime(Ledger):
    """Builds the replacement anew when the answer to the first was lost."""

    def settle(self, head: journal.Head) -> journal.Head:
        if head.state in FINAL:
            return head
        again = self.connectors["bitcoin"].prepare(BUMP)
        return self._record(head, self.connectors["bitcoin"].send(again), first=False)


@pytest.mark.parametrize(("kind", "finds"), [(NamesNoReplacement, "R4"), (BumpsAnotherTime, "R5")])
def test_the_harness_finds_what_is_wrong_on_purpose(kind: type[Ledger], finds: str) -> None:
    found: set[str] = set()

    def run(schedule: Schedule) -> World:
        one = Trial(World(schedule), mined_first=False, kind=kind)
        with suppress(Failure):
            one.run()
        found.update(one.broken)
        return one.world

    for _ in schedules(run, faults=1, at_most=150):
        if finds in found:
            return
    raise AssertionError(f"{kind.__name__} was not found, only {sorted(found)}")
