"""One deadline over many calls, so that an operation ends before whoever waits for it gives up."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from isthmus.ports import BitcoinNode

ROUTE_S = 25.0
"""API Gateway waits 29 seconds; the rest is for everything but the node."""

RELEASE_S = 2.0
"""What giving coins back may take beyond that: those that stay locked on the node are lost to its wallet."""


def within(node: BitcoinNode, seconds: float = ROUTE_S) -> BitcoinNode:
    """The same node, but all calls together end within so many seconds from now; later ones raise Unavailable."""
    return _Within(node, seconds, time.monotonic)


class _Within:
    def __init__(self, node: BitcoinNode, seconds: float, monotonic: Callable[[], float]) -> None:
        self._node = node
        self._monotonic = monotonic
        self._deadline = monotonic() + seconds

    def call(self, method: str, *params: Any, deadline_s: float = 20.0, wallet: str = "") -> Any:
        left = max(RELEASE_S if method == "lockunspent" else 0.0, self._deadline - self._monotonic())
        named = {"wallet": wallet} if wallet else {}
        return self._node.call(method, *params, deadline_s=min(deadline_s, left), **named)

    def batch(self, method: str, params: Sequence[tuple[Any, ...]]) -> list[Any]:
        return self._node.batch(method, params)

    def raw_block(self, block_hash: str) -> bytes:
        return self._node.raw_block(block_hash)

    def spent_outputs(self, block_hash: str) -> bytes:
        return self._node.spent_outputs(block_hash)
