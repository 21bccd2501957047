"""Coins that are kept from the wallet for a moment, while others lock, spend and unlock them too."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from isthmus.bitcoin import codes
from isthmus.bitcoin.locks import locked
from isthmus.failure import Conflict
from tests.faults.node import TILL, ModelNode
from tests.faults.world import World

COINS = ["a" * 64 + ":0", "b" * 64 + ":0"]


@dataclass
class Busy(ModelNode):
    """A node on which somebody else does something just before coins are locked or unlocked."""

    before: Callable[["Busy"], Any] = lambda _: None

    def lockunspent(self, unlock: bool, coins: list[dict[str, Any]]) -> Any:  # noqa: FBT001 - the node's signature
        self.before(self)
        return super().lockunspent(unlock, coins)


@pytest.fixture
def node() -> Busy:
    return Busy(World({}, calm=True), dict.fromkeys(COINS, 50_000))


def test_coins_are_locked_for_a_moment_and_free_again(node: Busy) -> None:
    with locked(node, TILL, COINS):
        assert node.locked == set(COINS)
    assert node.locked == set()


def test_a_coin_that_somebody_locks_at_the_same_moment_is_left_to_them(node: Busy) -> None:
    node.before = lambda busy: busy.locked.add(COINS[0])
    with locked(node, TILL, COINS):
        assert node.locked == set(COINS)
    assert node.locked == {COINS[0]}


def test_a_coin_that_is_unlocked_meanwhile_does_not_keep_the_others_locked(node: Busy) -> None:
    with locked(node, TILL, COINS):
        node.locked.discard(COINS[0])
    assert node.locked == set()


def test_a_wallet_that_changes_all_the_time_is_a_conflict_and_nothing_stays_locked(node: Busy) -> None:
    def refuse(_: Busy) -> None:
        raise codes.of_rpc("lockunspent", -8)

    node.before = refuse
    with pytest.raises(Conflict), locked(node, TILL, COINS):
        pass
    assert node.locked == set()
