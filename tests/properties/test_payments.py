"""Payments of several callers against a small model: whatever happens in whatever order, each key pays once or not."""

from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from isthmus import journal
from isthmus.access import budgets
from isthmus.access.budgets import Limits
from isthmus.bitcoin.building import Draft, Recipient
from isthmus.bitcoin.payments import BitcoinPayments
from isthmus.failure import Failure, Unavailable
from isthmus.failure import Unknown as UnknownFailure
from isthmus.ledger.engine import Ledger
from isthmus.ledger.records import FINAL, NOT_RECORDED, UNSETTLED, Intent, leased
from tests.faults.node import ModelNode
from tests.faults.trial import ADA
from tests.faults.world import READ_FAULTS, SEND_FAULTS, Crash, MemoryTable, World

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
DAY_MSAT = 200_000_000
LIMITS = Limits(DAY_MSAT, DAY_MSAT, 1_000)
COINS = {f"{'c' * 62}{number:02d}:0": 60_000 for number in range(6)}


FAULTS = st.dictionaries(st.integers(0, 25) | st.integers(8, 14), st.integers(0, 6), max_size=2)
"""By call; a payment is recorded, sent and recorded again between the eighth and the fourteenth."""


class Payments(RuleBasedStateMachine):
    """The model: which keys were told what, and which were ever told something final."""

    keys = Bundle("keys")

    @initialize()
    def begin(self) -> None:
        self.world = World({}, calm=True)
        self.table = MemoryTable(self.world)
        self.node = ModelNode(self.world, dict(COINS))
        connector = BitcoinPayments(self.node, lambda: leased(self.table, "bitcoin"))
        self.now_ms = 1_800_000_000_000
        self.ledger = Ledger(self.table, {"bitcoin": connector}, lambda: self.now_ms)
        self.final: dict[str, str] = {}
        self.serial = 0

    @rule(target=keys)
    def a_new_key(self) -> str:
        self.serial += 1
        return f"key-{self.serial}"

    @rule(
        key=keys,
        amount=st.sampled_from([20_000, 50_000]),
        faults=FAULTS,
    )
    def pay(self, key: str, amount: int, faults: Mapping[int, int]) -> None:
        self._with(faults)
        wanted = Draft("till", [Recipient(ADDRESS, amount)], max_fee_sat=1_000)
        try:
            head = self.ledger.pay(self._intent(key, amount), wanted, LIMITS)
        except (Crash, Unavailable, UnknownFailure):
            return
        except Failure:
            return
        finally:
            self.world.calm = True
        if head.state in FINAL:
            assert self.final.setdefault(key, head.state) == head.state

    @rule(faults=FAULTS, minutes=st.sampled_from([0, 1, 90]))
    def reconcile(self, faults: Mapping[int, int], minutes: int) -> None:
        self.now_ms += minutes * 60_000
        self._with(faults)
        try:
            self.ledger.reconcile(until_ms=self.now_ms + 60_000)
        except (Crash, Unavailable):
            pass
        finally:
            self.world.calm = True

    @rule()
    def what_is_late_arrives(self) -> None:
        self.world.settle_down()

    @rule()
    def a_block_is_mined(self) -> None:
        self.node.mine()

    @rule()
    def a_block_leaves_the_chain(self) -> None:
        self.node.mempool |= self.node.chain
        self.node.chain.clear()

    @rule()
    def the_node_refuses_once(self) -> None:
        self.node.refuses = 1

    @rule(locked=st.booleans())
    def the_wallet_is_locked_or_not(self, locked: bool) -> None:  # noqa: FBT001 - hypothesis names its arguments
        self.node.wallet_locked = locked

    @invariant()
    def no_key_has_two_effects_and_what_was_told_stays_so(self) -> None:
        heads = self._heads()
        effects = self.node.effects
        identities = [head.data["identity"] for head in heads.values() if "identity" in head.data]
        assert len(set(effects)) == len(effects)
        assert set(effects) <= set(identities)
        for key, told in self.final.items():
            head = heads[self._intent(key, 0).payment_id]
            assert head.state == told
            assert (head.data.get("identity") in effects) == (told == "succeeded")

    @invariant()
    def the_budget_is_kept(self) -> None:
        state = budgets.budget(self.table._item(budgets.BUDGETS, ADA.id), self.now_ms)
        assert state.reserved_msat + state.spent_msat <= DAY_MSAT

    def teardown(self) -> None:
        """When the faults stop everything is settled, and the books are those of the chain."""
        if not hasattr(self, "world"):
            return
        self.world.settle_down()
        self.node.wallet_locked, self.node.refuses = False, 0
        for _ in range(3):
            self.now_ms += 3_700_000
            self.ledger.reconcile(until_ms=self.now_ms + 60_000)
        heads = self._heads()
        assert {head.state for head in heads.values()} <= FINAL
        assert self.table.query(UNSETTLED).rows == ()
        assert leased(self.table, "bitcoin") == set()
        paid = [head.data["identity"] for head in heads.values() if head.state == "succeeded"]
        assert sorted(paid) == sorted(self.node.effects)

    def _heads(self) -> dict[str, journal.Head]:
        names = {pk.removeprefix("journal/") for pk, sk in self.table.items if sk == "head"}
        heads = [journal.verify(self.table, name) for name in names]
        return {head.data["payment_id"]: head for head in heads if head.state not in NOT_RECORDED}

    def _with(self, faults: Mapping[int, int]) -> None:
        self.world.calm, self.world.calls = False, []
        kinds = {index: SEND_FAULTS[number % len(SEND_FAULTS)] for index, number in faults.items()}
        self.world.schedule = _Fitting(kinds, self.world)

    def _intent(self, key: str, amount: int) -> Intent:
        return Intent("bitcoin.send_payment", "bitcoin", ADA, key, {"amount_sat": amount})


class _Fitting(dict[int, str]):
    """Faults by call; what a call cannot have becomes one that every call can."""

    def __init__(self, kinds: Mapping[int, str], world: World) -> None:
        super().__init__(kinds)
        self._world = world

    def get(self, index: int, default: Any = "") -> Any:
        kind = super().get(index, default)
        return kind if not kind or kind in self._world.calls[index][1] else READ_FAULTS[index % len(READ_FAULTS)]


TestPayments = Payments.TestCase
TestPayments.settings = settings(
    max_examples=200, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
