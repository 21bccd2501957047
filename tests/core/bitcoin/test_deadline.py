"""One deadline over many calls."""

from collections.abc import Sequence
from typing import Any

from isthmus.bitcoin.deadline import RELEASE_S, ROUTE_S, _Within, within
from isthmus.bitcoin.outputs import CONTROL_DEADLINE_S, SCAN_DEADLINE_S

API_GATEWAY_S = 29


class SlowNode:
    """Each call takes ten seconds of a held clock."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.allowed: list[float] = []

    def call(self, method: str, *params: Any, deadline_s: float = 20.0) -> Any:
        self.allowed.append(deadline_s)
        self.now += 10
        return method

    def batch(self, method: str, params: Sequence[tuple[Any, ...]]) -> list[Any]:
        return [method, *params]

    def raw_block(self, block_hash: str) -> bytes:
        return b"block"

    def spent_outputs(self, block_hash: str) -> bytes:
        return b"spent"


def test_each_call_gets_what_the_ones_before_it_left() -> None:
    node = SlowNode()
    hurried = _Within(node, 25, lambda: node.now)
    for _ in range(4):
        hurried.call("getblockcount")
    hurried.call("getblockcount", deadline_s=3)
    assert node.allowed == [20, 15, 5, 0, 0]


def test_a_call_may_ask_for_less() -> None:
    node = SlowNode()
    _Within(node, 25, lambda: node.now).call("getblockcount", deadline_s=3)
    assert node.allowed == [3]


def test_coins_are_given_back_even_after_the_deadline() -> None:
    node = SlowNode()
    hurried = _Within(node, 10, lambda: node.now)
    hurried.call("walletcreatefundedpsbt")
    hurried.call("lockunspent", True, [])
    assert node.allowed == [10, RELEASE_S]


def test_everything_else_is_the_node_s() -> None:
    hurried = within(SlowNode())
    assert hurried.batch("getblockhash", [(1,)]) == ["getblockhash", (1,)]
    assert (hurried.raw_block(""), hurried.spent_outputs("")) == (b"block", b"spent")


def test_every_route_ends_before_api_gateway_does() -> None:
    assert ROUTE_S + RELEASE_S < API_GATEWAY_S
    assert SCAN_DEADLINE_S + 2 * CONTROL_DEADLINE_S < API_GATEWAY_S
