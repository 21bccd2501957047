"""Two at once, in every order of their writes and sendings: with one key, with one coin, and beside the schedule."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from isthmus import journal
from isthmus.access.budgets import Limits
from isthmus.bitcoin.payments import BitcoinPayments
from isthmus.effects import Outcome, Unknown
from isthmus.failure import Failure
from isthmus.journal import Change, Head
from isthmus.ledger.engine import Ledger
from isthmus.ledger.records import FINAL, LEASES, Intent, aggregate, leased, prepared_of
from isthmus.storage.table import Write
from tests.faults.node import ModelNode
from tests.faults.spends import WANTED
from tests.faults.trial import ADA, AMOUNT_SAT
from tests.faults.world import MemoryTable, World

LIMITS = Limits(10_000_000_000, 10_000_000_000, 100)
STEPS = 5
"""Writes and sendings of each that are put in order; what comes after runs as it likes, one at a time."""

PATIENCE_S = 10.0


class Turns(World):
    """A world in which two threads take turns, as a schedule says, before each write and each sending."""

    def __init__(self, order: Sequence[int]) -> None:
        super().__init__({}, calm=True)
        self.order = list(order)
        self.turn = threading.Condition()
        self.gone: set[int] = set()
        self.who = threading.local()

    def around(self, name: str, kinds: tuple[str, ...], lost: Callable[[], Exception], act: Callable[[], Any]) -> Any:
        me = getattr(self.who, "me", None)
        if me is None or name not in ("transact", "sendrawtransaction"):
            with self.turn:
                return act()
        with self.turn:
            assert self.turn.wait_for(lambda: self._mine(me), PATIENCE_S), "the other never took its turn"
            if self.order:
                self.order.remove(me)
            try:
                return act()
            finally:
                self.turn.notify_all()

    def _mine(self, me: int) -> bool:
        waiting = [one for one in self.order if one not in self.gone]
        return me not in waiting or waiting[0] == me

    def leave(self, me: int) -> None:
        with self.turn:
            self.gone.add(me)
            self.turn.notify_all()


class Scene:
    """A store, a node and two that act on them."""

    def __init__(self, order: Sequence[int], coins: dict[str, int], engine: type[Ledger]) -> None:
        self.world = Turns(order)
        self.table = MemoryTable(self.world)
        self.node = ModelNode(self.world, coins)
        connector = BitcoinPayments(self.node, lambda: leased(self.table, "bitcoin"))
        self.now_ms = 1_000_000
        self.ledger = engine(self.table, {"bitcoin": connector}, lambda: self.now_ms)
        self.told: dict[int, str] = {}

    def run(self, *acts: Callable[[], str]) -> None:
        threads = [threading.Thread(target=self._act, args=pair) for pair in enumerate(acts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _act(self, me: int, act: Callable[[], str]) -> None:
        self.world.who.me = me
        try:
            self.told[me] = act()
        except Failure as failure:
            self.told[me] = failure.kind
        finally:
            self.world.leave(me)

    def pay(self, key: str = "one") -> Callable[[], str]:
        intent = Intent("bitcoin.send_payment", "bitcoin", ADA, key, {"amount_sat": AMOUNT_SAT})
        return lambda: self.ledger.pay(intent, WANTED, LIMITS).state

    def look(self) -> str:
        self.ledger.reconcile(until_ms=self.now_ms + 60_000)
        return "looked"

    def why(self) -> set[str]:
        """The codes of what was refused."""
        heads = (json.loads(item) for (_, sk), item in self.table.items.items() if sk == "head")
        return {head["data"]["refusal"]["code"] for head in heads if head["state"] == "refused"}

    def state(self, key: str = "one") -> str:
        head = journal.verify(self.table, aggregate(Intent("bitcoin.send_payment", "bitcoin", ADA, key, {}).payment_id))
        return head.state


TWO_COINS = {"c" * 63 + "1:0": 80_000, "c" * 63 + "2:0": 90_000}
ONE_COIN = {"c" * 63 + "1:0": 80_000}


def orders() -> Iterator[tuple[int, ...]]:
    """Every order of two times STEPS."""
    for first in itertools.combinations(range(2 * STEPS), STEPS):
        yield tuple(0 if place in first else 1 for place in range(2 * STEPS))


def test_two_calls_with_one_key_make_one_effect() -> None:
    for order in orders():
        scene = Scene(order, TWO_COINS, Ledger)
        scene.run(scene.pay(), scene.pay())
        assert len(scene.node.effects) == 1, order
        assert scene.state() == "succeeded", order
        assert set(scene.told.values()) <= {"succeeded", "sending"}, order


def test_of_two_payments_with_coins_for_one_one_succeeds_and_the_other_is_told_so() -> None:
    for order in orders():
        scene = Scene(order, ONE_COIN, Ledger)
        scene.run(scene.pay("one"), scene.pay("two"))
        assert len(scene.node.effects) == 1, order
        assert sorted(scene.told.values()) == ["refused", "succeeded"], order
        assert scene.why() == {"bitcoin/not-funded"}, order
        assert leased(scene.table, "bitcoin") == set(), order


@pytest.mark.parametrize("refuses", [0, 1])
def test_a_call_beside_the_schedule_never_says_another_thing_than_what_is(refuses: int) -> None:
    for order in orders():
        scene = Scene(order, TWO_COINS, Ledger)
        assert contradiction(scene, refuses) is None, order


class SendsAgainUnrecorded(Ledger):
    """Sends again without taking from the first sender the right to believe a refusal."""

    def settle(self, head: Head) -> Head:
        if head.state in FINAL:
            return head
        connector = self.connectors["bitcoin"]
        outcome: Outcome = connector.look_up(prepared_of(head))
        if isinstance(outcome, Unknown) and outcome.seen is False:
            outcome = connector.send(prepared_of(head))
        return self._record(head, outcome, first=False)


class LeasesNothing(Ledger):
    """Lets two payments prepare with one coin."""

    def _recorded(self, change: Change, also: list[Write]) -> Head:
        return super()._recorded(change, [one for one in also if one.pk != LEASES])


def test_sending_again_without_a_record_is_found() -> None:
    assert any(contradiction(Scene(order, TWO_COINS, SendsAgainUnrecorded), 1) for order in orders())


def test_payments_that_share_a_coin_are_found() -> None:
    why = set()
    for order in orders():
        scene = Scene(order, ONE_COIN, LeasesNothing)
        scene.run(scene.pay("one"), scene.pay("two"))
        why |= scene.why()
    assert why - {"bitcoin/not-funded"}


def contradiction(scene: Scene, refuses: int) -> str | None:
    """What was told against what is, after a call and the schedule ran beside each other and the schedule once more."""
    scene.node.refuses = refuses
    scene.run(scene.pay(), lambda: _later(scene))
    for _ in range(3):
        scene.now_ms += 3_700_000
        scene.look()
    effects, state = len(scene.node.effects), scene.state()
    if scene.told[0] in FINAL and scene.told[0] != state:
        return f"told {scene.told[0]}, and it is {state}"
    if (state == "succeeded") != (effects == 1):
        return f"{state}, with {effects} effects"
    return None


def _later(scene: Scene) -> str:
    """The schedule, for which everything is due."""
    scene.now_ms += 3_700_000
    return scene.look()
