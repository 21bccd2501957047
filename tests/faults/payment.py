"""One payment under one schedule of faults, and the invariants that hold whatever happens.

I1 at most one effect; I2 told succeeded, so exactly one; I3 told failed, so none, also later; I4 the budget is kept at
every moment; I5 everything is settled once the faults stop; I6 one key, one final answer; I7 the journal is whole, each
change with its event; I8 what is settled holds nothing back: no lease, no reservation, and what was spent has moved.
"""

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from isthmus import journal
from isthmus.access import budgets
from isthmus.access.budgets import Limits
from isthmus.access.caller import Caller
from isthmus.bitcoin.building import Draft, Recipient
from isthmus.bitcoin.payments import BitcoinPayments
from isthmus.failure import Failure, Unavailable
from isthmus.failure import Unknown as UnknownFailure
from isthmus.ledger.engine import Ledger
from isthmus.ledger.records import FINAL, NOT_RECORDED, UNSETTLED, Intent, aggregate, leased
from tests.faults.node import ModelNode
from tests.faults.world import Crash, MemoryTable, Schedule, World

ADA = Caller("did", "did:key:zAda", "client")
LIMITS = Limits(10_000_000_000, 10_000_000_000, 100)
AMOUNT_SAT, FEE_SAT = 50_000, 300
INTENT = Intent("bitcoin.send_payment", "bitcoin", ADA, "one", {"amount_sat": AMOUNT_SAT})
WANTED = Draft("till", [Recipient("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", AMOUNT_SAT)], max_fee_sat=1_000)
CLIENT_TRIES = 3


@dataclass(frozen=True)
class Case:
    """What else is so.

    Args:
        refuses: how often the node refuses the transaction at first, as for a fee that is too low at that moment.
        elsewhere: after the client's calls the coins are spent elsewhere, if nobody has the payment by then.
        mined: after the client's calls whatever waits is in a block.
        locked: the wallet is locked from the client's second call on, until the client gives up.
        late_first: what was delayed arrives before the schedule looks again, not after.
    """

    refuses: int = 0
    elsewhere: bool = False
    mined: bool = False
    locked: bool = False
    late_first: bool = True


CASES = (Case(), Case(late_first=False), Case(refuses=1), Case(elsewhere=True), Case(mined=True), Case(locked=True))


@dataclass
class Trial:
    """One run: the world, and what the client was told."""

    world: World
    table: MemoryTable
    node: ModelNode
    engine: Ledger
    now_ms: int = 1_000_000
    told: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def client(self, case: Case) -> None:
        """Ask with the same key until something final is said."""
        for attempt in range(CLIENT_TRIES):
            self.node.wallet_locked = case.locked and attempt > 0
            self.now_ms += 700
            self.told.append(answer(self.engine, INTENT, WANTED))
            self.watch()
            if self.told[-1] in FINAL:
                return

    def reconcile(self) -> None:
        """One pass of the schedule, which may crash and is simply started again later."""
        self.now_ms += 3_700_000
        with suppress(Crash, Failure):
            self.engine.reconcile(until_ms=self.now_ms + 60_000)
        self.watch()

    def watch(self) -> None:
        """What must hold at every moment."""
        state = budgets.budget(self.table._item(budgets.BUDGETS, ADA.id), self.now_ms)
        if state.reserved_msat + state.spent_msat > LIMITS.day_msat:
            self.broken.append("I4 the budget is passed")
        if len(self.node.effects) > 1:
            self.broken.append("I1 more than one effect")


def answer(engine: Ledger, intent: Intent, wanted: Any) -> str:
    """What a client is told when it asks once: the payment's state, or how the call ended without one."""
    try:
        return engine.pay(intent, wanted, LIMITS).state
    except Crash:
        return "crash"
    except (Unavailable, UnknownFailure):
        return "unknown"
    except Failure:
        return "failed"


def trial(
    schedule: Schedule,
    case: Case,
    engine: type[Ledger] = Ledger,
    connector: Callable[[ModelNode, Callable[[], Collection[str]]], Any] = BitcoinPayments,
) -> Trial:
    """Run one payment: the client's calls, a pass of the schedule with faults, then calm until it must be settled."""
    world = World(schedule)
    table = MemoryTable(world)
    node = ModelNode(world, {"c" * 63 + "1:0": 80_000, "c" * 63 + "2:0": 90_000}, refuses=case.refuses)
    built = engine(table, {"bitcoin": connector(node, lambda: leased(table, "bitcoin"))}, lambda: run.now_ms)
    run = Trial(world, table, node, built)
    run.client(case)
    node.wallet_locked = False
    if case.elsewhere and not node.effects:
        node.spend_elsewhere()
    if case.mined:
        node.mine()
    run.reconcile()
    if case.late_first:
        world.settle_down()
    for _ in range(3):
        world.calm = True
        run.reconcile()
    world.settle_down()
    for _ in range(2):
        run.reconcile()
    node.mine()
    run.reconcile()
    judge(run)
    return run


def judge(run: Trial) -> None:
    """Add what is broken at the end."""
    effects, broken = run.node.effects, run.broken
    head = journal.load(run.table, aggregate(INTENT.payment_id))
    final = head.state if head and head.state not in NOT_RECORDED else "none"
    if "succeeded" in run.told and len(effects) != 1:
        broken.append("I2 told succeeded, and there is no effect")
    if {"refused", "failed"} & set(run.told) and effects:
        broken.append("I3 told failed, and there is an effect")
    if final not in (*FINAL, "none"):
        broken.append(f"I5 still {final}")
    answers = ({*run.told} & FINAL) | ({final} - {"none"})
    if len(answers) > 1 or ("failed" in run.told and final != "none"):
        broken.append("I6 two answers for one key")
    if effects and final != "succeeded":
        broken.append(f"I2 an effect, and the record says {final}")
    if final == "succeeded" and len(effects) != 1:
        broken.append("I2 the record says succeeded, and there is no effect")
    _judge_books(run, head)


def _judge_books(run: Trial, head: journal.Head | None) -> None:
    broken = run.broken
    if head is not None:
        try:
            journal.verify(run.table, head.aggregate)
        except Failure:
            broken.append("I7 the journal is broken")
        told = [row.item["version"] for row in run.table.query(journal.OUTBOX, limit=1000).rows]
        if sorted(told) != list(range(1, head.version + 1)):
            broken.append("I7 a change without its event")
    state = budgets.budget(run.table._item(budgets.BUDGETS, ADA.id), run.now_ms)
    moved = (AMOUNT_SAT + FEE_SAT) * 1000 * len(run.node.effects)
    if state.reserved_msat or leased(run.table, "bitcoin") or run.table.query(UNSETTLED).rows:
        broken.append("I8 something is held back")
    if state.spent_msat != moved:
        broken.append("I8 what was spent is not what moved")
