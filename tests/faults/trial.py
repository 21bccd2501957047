"""One operation that spends under one schedule of faults, and the invariants that hold whatever happens.

An effect is what cannot be taken back: a transaction that the node has, a signature that somebody can read.

I1 at most one effect; I2 told succeeded, so it is there, and what is there of ours is recorded so; I3 told no, so none,
also later; I4 the budget is kept at every moment; I5 everything is settled once the faults stop; I6 one key, one final
answer; I7 the journal is whole, each change with its event; I8 what is settled holds nothing back: no lease, no
reservation, no lock, and what was spent is what was let go; I9 no other payment is undone. I0 whatever goes wrong is a
failure of the tree, never another exception.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from isthmus import journal
from isthmus.access import budgets, principals
from isthmus.access.caller import Caller
from isthmus.bitcoin import payments, signing
from isthmus.effects import Connector
from isthmus.failure import Failure, Unavailable
from isthmus.failure import Unknown as UnknownFailure
from isthmus.ledger.engine import Ledger
from isthmus.ledger.records import FINAL, LEASES, NOT_RECORDED, PATIENCE_MS, UNSETTLED, Intent, aggregate
from isthmus.ports import BitcoinNode
from isthmus.storage.table import Table
from tests.faults.node import ModelNode
from tests.faults.world import Crash, MemoryTable, Schedule, World

OWNER = "did:key:zOwner"
ADA = Caller("did", "did:key:zAda", "client", max_msat=100_000_000)
DAY_MSAT = 86_000_000
"""Enough for one effect and one other payment, and too little for a second effect."""

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
FIRST, SECOND, FOREIGN = ("c" * 63 + f"{number}:0" for number in (1, 2, 3))
COINS = {FIRST: 80_000, SECOND: 90_000}
AMOUNT_SAT, OTHER_SAT = 50_000, 5_000
CLIENT_TRIES = 3
LATER_MS = 3_700_000
SOON = 5
"""Calls."""

EXCEPTIONS = (TypeError, LookupError, AttributeError, ValueError, ArithmeticError)

Makes = Callable[[Table, BitcoinNode], Connector]


@dataclass(frozen=True)
class Case:
    """What else is so.

    Args:
        before: what happens before anything else.
        sending: what happens just before something arrives at the node for the first time.
        first: what happens after the client's first call.
        last: what happens after its last.
        late: when what was delayed arrives: a few calls later, before the schedule looks again, or after.
        refuses: how often the node refuses the transaction at first, as for a fee that is too low at that moment.
        about: what the operation is asked for, if it is not the usual.
        person: whether nobody but a person may find out what became of it.
    """

    before: "Event | None" = None
    sending: "Event | None" = None
    first: "Event | None" = None
    last: "Event | None" = None
    late: Literal["soon", "before", "after"] = "before"
    refuses: int = 0
    about: str = ""
    person: bool = False

    def __str__(self) -> str:
        events = {"before": self.before, "sending": self.sending, "first": self.first, "last": self.last}
        told = [f"{event.__name__}-{when}" for when, event in events.items() if event]
        told += [f"refuses-{self.refuses}"] * bool(self.refuses) + [self.about] * bool(self.about)
        return "-".join([*told, f"late-{self.late}"])


@dataclass(frozen=True)
class Spend:
    """An operation that spends, as the harness has to know it.

    Args:
        name: of what is tried.
        operation: that does it.
        cases: in which it is tried.
        ask: does what its function does; what the client has then: the effect's identity.
        effects: the effects of this request that exist, and whether they exist by it alone.
        cost_sat: what the caller's budget must have paid in the end.
        begin: what must be there before.
        always: what is broken at any moment, beyond what holds for every operation.
        ended: what is broken in the end, beyond that.
        connector: the name of its connector.
        coin: one that it spends.
    """

    name: str
    operation: str
    cases: tuple[Case, ...]
    ask: "Callable[[Trial], str]"
    effects: "Callable[[Trial], list[str]]"
    cost_sat: "Callable[[Trial], int]"
    begin: "Event" = lambda _: None
    always: "Callable[[Trial], Iterable[str]]" = lambda _: ()
    ended: "Callable[[Trial], Iterable[str]]" = lambda _: ()
    connector: str = payments.CONNECTOR
    coin: str = FIRST

    @property
    def payment_id(self) -> str:
        """Of the request."""
        return payment_id(self.operation, "one")


@dataclass
class Trial:
    """One run: the world, and what the client was told."""

    spend: Spend
    case: Case
    world: World
    engine: type[Ledger] = Ledger
    makes: Makes | None = None
    now_ms: int = 1_000_000
    told: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    others: dict[str, str] = field(default_factory=dict)
    appeared_ms: int | None = None
    old: str = ""

    def __post_init__(self) -> None:
        self.table = MemoryTable(self.world)
        self.node = ModelNode(self.world, COINS, foreign={FOREIGN: 60_000})
        real: dict[str, Connector] = {
            payments.CONNECTOR: payments.connector(self.table, self.node),
            signing.CONNECTOR: signing.connector(self.table, self.node),
        }
        self.other = Ledger(self.table, {payments.CONNECTOR: real[payments.CONNECTOR]}, lambda: self.now_ms)
        made = self.makes(self.table, self.node) if self.makes else real[self.spend.connector]
        self.ledger = self.engine(self.table, {self.spend.connector: made}, lambda: self.now_ms)
        self.schedule = self.engine(self.table, {**real, **self.ledger.connectors}, lambda: self.now_ms)

    def begin(self) -> None:
        """What there is before the client asks."""
        granted = {"scopes": [], "role": "client", "tenant": "main", "created_ms": 0, "created_by": OWNER}
        limits = {"max_msat": DAY_MSAT, "day_msat": DAY_MSAT, "hour_count": 100}
        self.table.put(principals.PARTITION, ADA.id, {"did": ADA.id, **granted, **limits})
        self.spend.begin(self)
        self.node.refuses = self.case.refuses
        self._happens(self.case.before)

    def begin_like(self, made: "Trial") -> None:
        """The same, as it was once made."""
        self.table.items |= made.table.items
        for name, value in vars(made.node).items():
            if name != "world":
                setattr(self.node, name, copy.copy(value))
        self.others, self.old, self.appeared_ms = dict(made.others), made.old, made.appeared_ms

    def run(self) -> None:
        """The client's calls, a pass of the schedule with faults, then calm until everything must be settled."""
        if event := self.case.sending:
            self.node.ahead = lambda: event(self)
        self.client()
        with self.calm():
            self.node.ahead = None
            self.node.wallet_locked = False
            self._happens(self.case.last)
        self.reconcile()
        if self.case.late != "after":
            self.world.settle_down()
        self.world.calm = True
        for _ in range(3):
            self.reconcile()
        self.world.settle_down()
        for _ in range(2):
            self.reconcile()
        self.node.mine()
        self.reconcile()
        if self.case.person and self.table.query(UNSETTLED).rows:
            self.now_ms += PATIENCE_MS
            self.reconcile()
        self.broken += judge(self)

    @contextmanager
    def calm(self) -> Iterator[None]:
        """Nothing goes wrong meanwhile."""
        before, self.world.calm = self.world.calm, True
        yield
        self.world.calm = before

    def client(self) -> None:
        """Ask with the same key until something final is said."""
        for attempt in range(CLIENT_TRIES):
            if attempt == 1:
                with self.calm():
                    self._happens(self.case.first)
            self.now_ms += 700
            self.told.append(self.answer())
            self.watch()
            if self.told[-1] in FINAL:
                return

    def answer(self) -> str:
        """What the client learns from one call: how it ended, crash, unknown, or postponed: not now."""
        try:
            self.given.append(self.spend.ask(self))
        except Crash:
            return "crash"
        except (Unavailable, UnknownFailure):
            return "unknown"
        except Failure as failure:
            return "refused" if failure.repeat == "new-intent" or self.state == "refused" else "postponed"
        except EXCEPTIONS as error:
            self.broken.append(f"I0 {error!r}")
            return "unknown"
        return "succeeded"

    def reconcile(self) -> None:
        """One pass of the schedule, which may crash and is simply started again later."""
        self.now_ms += LATER_MS
        if self.world.calm and not self.table.query(UNSETTLED).rows:
            return  # it would find nothing to do
        with suppress(Crash, Failure):
            try:
                self.schedule.reconcile(until_ms=self.now_ms + 60_000)
            except EXCEPTIONS as error:
                self.broken.append(f"I0 {error!r}")
        self.watch()

    def watch(self) -> None:
        """What must hold at every moment."""
        books = budgets.budget(self.table._item(budgets.BUDGETS, ADA.id), self.now_ms)
        if books.reserved_msat + books.spent_msat > DAY_MSAT:
            self.broken.append("I4 the budget is passed")
        if len(self.spend.effects(self)) > 1:
            self.broken.append("I1 more than one effect")
        self.broken += self.spend.always(self)

    @property
    def head(self) -> journal.Head | None:
        """The record of the request, unless it says that nothing was ever sent."""
        return self.record(self.spend.payment_id)

    @property
    def state(self) -> str:
        """Of the record."""
        return self.head.state if self.head else "none"

    def record(self, one: str) -> journal.Head | None:
        """A payment's record, read without faults; None while nothing of it was ever sent."""
        with self.calm():
            head = journal.load(self.table, aggregate(one))
        return None if head is None or head.state in NOT_RECORDED else head

    def spoilt_locks(self) -> bool:
        """Whether whoever locks coins died, or a call that locks or unlocks went wrong: a node keeps its locks then."""
        faults = {
            self.world.calls[index][0]: kind
            for index, kind in self.world.schedule.items()
            if index < len(self.world.calls)
        }
        return "lockunspent" in faults or any(kind.startswith("crash") for kind in faults.values())

    def pays_other(self, operation: str, ask: Callable[[], Any]) -> bool:
        """Another request of the same caller; whether it succeeded, when it must stay so."""
        with suppress(Failure):
            ask()
        head = self.record(payment_id(operation, "other"))
        if head is not None and head.state == "succeeded":
            self.others[head.data["identity"]] = head.data["payment_id"]
        return bool(self.others)

    def _happens(self, event: "Event | None") -> None:
        if event:
            event(self)


Event = Callable[[Trial], None]


def trial(
    spend: Spend, case: Case, schedule: Schedule, engine: type[Ledger] = Ledger, makes: Makes | None = None
) -> Trial:
    """Run one operation in one case under one schedule."""
    made = Trial(spend, case, World(schedule, delay=SOON if case.late == "soon" else None), engine, makes)
    made.begin_like(_begun(spend, case))
    made.run()
    return made


@cache
def _begun(spend: Spend, case: Case) -> Trial:
    made = Trial(spend, case, World({}, calm=True))
    made.begin()
    return made


def payment_id(operation: str, key: str) -> str:
    """Of a request of the caller."""
    return Intent(f"bitcoin.{operation}", "", ADA, key, {}).payment_id


def judge(run: Trial) -> Iterator[str]:
    """What is broken at the end."""
    effects, final, told = run.spend.effects(run), run.state, set(run.told)
    if "succeeded" in told and len(effects) != 1:
        yield "I2 told succeeded, and there is no effect"
    handed_over = run.case.person and final == "needs-person"
    if (final == "succeeded") != (len(effects) == 1) and not handed_over:
        yield f"I2 {len(effects)} effects, and the record says {final}"
    if effects and ("refused" in told or run.told[-1] == "postponed"):
        yield "I3 told no, and there is an effect"
    if final not in (*FINAL, "none") and not handed_over:
        yield f"I5 still {final}"
    if len((told & FINAL) | ({final} - {"none", "needs-person"})) > 1 or ("refused" in told and final == "none"):
        yield "I6 two answers for one key"
    if final in FINAL and run.answer() != final:
        yield "I6 another answer in the end"
    if len(set(run.given)) > 1:
        yield "I6 two effects named for one key"
    yield from _judge_books(run)
    for txid, one in run.others.items():
        head = run.record(one)
        if txid not in run.node.mempool | run.node.chain and not (head and "replaced_by" in head.data):
            yield "I9 another payment is undone"
    yield from run.spend.ended(run)


def _judge_books(run: Trial) -> Iterator[str]:
    names = [pk.removeprefix("journal/") for pk, sk in run.table.items if sk == "head"]
    try:
        heads = [journal.verify(run.table, name) for name in names]
    except Failure:
        yield "I7 the journal is broken"
        return
    rows = run.table.query(journal.OUTBOX, limit=1000).rows
    told = sorted((row.item["aggregate"], row.item["version"]) for row in rows)
    if told != sorted((head.aggregate, number + 1) for head in heads for number in range(head.version)):
        yield "I7 a change without its event"
    if run.state == "needs-person":
        return
    books = budgets.budget(run.table._item(budgets.BUDGETS, ADA.id), run.now_ms)
    if books.reserved_msat or run.table.query(LEASES).rows or run.table.query(UNSETTLED).rows:
        yield "I8 something is held back"
    if run.node.locked and not run.spoilt_locks():
        yield "I8 a coin stays locked"
    if books.spent_msat != run.spend.cost_sat(run) * 1000:
        yield "I8 what was spent is not what was let go"
