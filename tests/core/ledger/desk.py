"""A ledger over a store in memory, and a connector that says what a test tells it to.

What a script lists is said one after the other, the last for ever: a value, a failure to be raised, or a function that
is called first, in which somebody else may come between, and whose value it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from isthmus import journal
from isthmus.access import budgets
from isthmus.access.budgets import Budget, Limits
from isthmus.access.caller import Caller
from isthmus.effects import Outcome, Prepared, Succeeded
from isthmus.failure import Unavailable
from isthmus.journal import Event, Head
from isthmus.ledger.engine import Ledger
from isthmus.ledger.records import UNSETTLED, Intent, aggregate
from isthmus.storage.table import Item, Write
from tests.faults.world import MemoryTable, World

ADA = Caller("did", "did:key:zAda", "client")
NOW_MS = 1_800_000_000_000
LIMITS = Limits(1_000_000, 1_000_000, 1_000)
PREPARED = Prepared("the txid", "the signed transaction", 1_000, ("a coin",), {"fee_sat": 1})

Script = list[Any]


@dataclass
class Till:
    """The connector."""

    prepares: Script = field(default_factory=lambda: [PREPARED])
    answers: Script = field(default_factory=lambda: [Succeeded(900)])
    knows: Script = field(default_factory=lambda: [Succeeded(900)])
    asked: list[Any] = field(default_factory=list)
    sent: list[Prepared] = field(default_factory=list)
    looked_up: list[Prepared] = field(default_factory=list)

    def prepare(self, request: Any) -> Prepared:
        self.asked.append(request)
        made: Prepared = _next(self.prepares)
        return made

    def send(self, prepared: Prepared) -> Outcome:
        self.sent.append(prepared)
        answer: Outcome = _next(self.answers)
        return answer

    def look_up(self, prepared: Prepared) -> Outcome:
        self.looked_up.append(prepared)
        known: Outcome = _next(self.knows)
        return known


class Store(MemoryTable):
    """A store in memory; each write has its entry in a script: "lost", "lost-answer", a function, or None."""

    def __init__(self) -> None:
        super().__init__(World({}, calm=True))
        self.writes: Script = [None]
        self.unreadable = False

    def get(self, pk: str, sk: str) -> Item | None:
        if self.unreadable:
            raise no_answer()
        return super().get(pk, sk)

    def transact(self, writes: Sequence[Write]) -> None:
        happens = self.writes.pop(0) if len(self.writes) > 1 else self.writes[0]
        if happens == "lost":
            raise no_answer()
        if callable(happens):
            happens()
        super().transact(writes)
        if happens == "lost-answer":
            raise no_answer()


@dataclass
class Desk:
    """Where payments are made: one caller, one connector, and a clock that a test sets."""

    now_ms: int = NOW_MS
    store: Store = field(default_factory=Store)
    till: Till = field(default_factory=Till)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.store, {"till": self.till}, lambda: self.now_ms)

    def pay(self, key: str = "one", limits: Limits = LIMITS) -> Head:
        return self.ledger.pay(intent(key), "a request", limits)

    def head(self, key: str = "one") -> Head:
        """The payment, once it is seen that its record is whole."""
        return journal.verify(self.store, aggregate(intent(key).payment_id))

    def events(self, key: str = "one") -> list[Event]:
        return journal.history(self.store, aggregate(intent(key).payment_id))

    def happened(self, key: str = "one") -> list[str]:
        return [one.type for one in self.events(key)]

    def reconcile(self, after_ms: int = 0) -> dict[str, int]:
        """One pass of the schedule, so much later."""
        self.now_ms += after_ms
        return dict(self.ledger.reconcile(until_ms=self.now_ms + 1))

    def waiting(self, key: str = "one") -> Item | None:
        """The payment's place in the list of the unsettled."""
        return self.store.get(UNSETTLED, intent(key).payment_id)

    def budget(self) -> Budget:
        return budgets.budget(self.store.get(budgets.BUDGETS, ADA.id), self.now_ms)

    def elsewhere(self) -> "Desk":
        """The same store for another process, with a connector of its own."""
        return replace(self, till=Till())


def intent(key: str = "one", **request: Any) -> Intent:
    return Intent("bitcoin.send_payment", "till", ADA, key, request)


def no_answer() -> Unavailable:
    return Unavailable("The store did not answer.", next_step="Repeat.", code="test/store")


def _next(script: Script) -> Any:
    said = script.pop(0) if len(script) > 1 else script[0]
    value = said() if callable(said) else said
    if isinstance(value, Exception):
        raise value
    return value
