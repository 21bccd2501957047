"""The BitcoinNode port over Bitcoin Core's JSON-RPC and REST, through python-bitcoinrpc."""

import os
import re
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from bitcoinrpc.authproxy import JSONRPCException

from isthmus.bitcoin import codes
from isthmus.bitcoin.adapters.endpoint import Endpoint, endpoint_of
from isthmus.bitcoin.adapters.proxy import NoRpc, Proxy, silence
from isthmus.bitcoin.adapters.wire import Lost, Reply, Wire
from isthmus.bitcoin.methods import REPEATABLE
from isthmus.bitcoin.spent import encode_spent_outputs
from isthmus.failure import Failure
from isthmus.merkle import sha256d

DEADLINE_S = 20.0
BULK_DEADLINE_S = 25.0
MAX_REPLY_BYTES = 64 * 1024 * 1024
MAX_IDLE = 8
CALLS_PER_BATCH = 1_000
HEADER_BYTES = 80
UNAUTHORIZED = 401

_BLOCK_HASH = re.compile(r"[0-9a-f]{64}")
_MAY_BE_PRUNED = frozenset({"getblock", "getblockstats", "getrawtransaction"})

Ask = Callable[[Wire], Any]


class BitcoinCore:
    """A node over HTTP: safe to share among threads and to take through a fork.

    It repeats nothing but a read over a kept connection that turned out to be dead; isthmus.recovery does.

    A call takes an idle connection or opens one, has it for itself, and gives it back when the answer was read whole.
    """

    def __init__(self, endpoint: Callable[[], Endpoint], *, max_reply_bytes: int = MAX_REPLY_BYTES) -> None:
        """Connect to nothing yet.

        Args:
            endpoint: where the node is; asked at the first call, and again when the node refuses our credentials.
            max_reply_bytes: the longest answer that is read.
        """
        silence()
        self._endpoint_source = endpoint
        self._endpoint: Endpoint | None = None
        self._max_reply_bytes = max_reply_bytes
        self._idle: list[Wire] = []
        self._pid = os.getpid()
        self._not_offered: set[str] = set()
        weakref.finalize(self, _close_all, self._idle)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "BitcoinCore":
        """The node that the environment names; what is wrong with it shows at the first call."""
        return cls(partial(endpoint_of, environ))

    def call(self, method: str, *params: Any, deadline_s: float = DEADLINE_S, wallet: str = "") -> Any:
        """The result of one JSON-RPC call, of a wallet if one is named; amounts are Decimal."""

        def ask(wire: Wire) -> Any:
            return Proxy(wire, method, wallet)(*params)

        return self._asked(method, ask, time.monotonic() + deadline_s)

    def batch(self, method: str, params: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The results of the same method for many parameters, in order; the first error fails the whole batch."""
        deadline = time.monotonic() + DEADLINE_S
        results: list[Any] = []
        for start in range(0, len(params), CALLS_PER_BATCH):
            calls = [(method, *one) for one in params[start : start + CALLS_PER_BATCH]]

            def ask(wire: Wire, calls: list[tuple[Any, ...]] = calls) -> Any:
                return Proxy(wire, method).batch_([list(call) for call in calls])

            results += self._asked(method, ask, deadline)
        return results

    def raw_block(self, block_hash: str) -> bytes:
        """The serialized block with witnesses: over REST where the node offers it, else over RPC."""

        def over_rpc(left_s: float) -> bytes:
            return _from_hex(self.call("getblock", block_hash, 0, deadline_s=left_s))

        raw = self._bulk("block", block_hash, over_rpc)
        if sha256d(raw[:HEADER_BYTES])[::-1].hex() != block_hash:
            raise codes.failure(codes.WRONG_BLOCK)
        return raw

    def spent_outputs(self, block_hash: str) -> bytes:
        """The outputs the block spends: over REST where the node offers it, else built from `getblock` verbosity 3.

        Raises:
            Unsupported: the node offers neither.
        """

        def over_rpc(left_s: float) -> bytes:
            block = self.call("getblock", block_hash, 3, deadline_s=left_s)
            return encode_spent_outputs(block["tx"] if isinstance(block, dict) and "tx" in block else block)

        return self._bulk("spenttxouts", block_hash, over_rpc)

    def close(self) -> None:
        """Close the idle connections; a later call opens new ones."""
        _close_all(self._idle)

    def _bulk(self, resource: str, block_hash: str, over_rpc: Callable[[float], bytes]) -> bytes:
        """Bytes about a block over REST, which has no authentication and may be off; what REST refuses, RPC decides."""
        if not _BLOCK_HASH.fullmatch(block_hash):
            raise codes.failure(codes.NOT_A_HASH)
        deadline = time.monotonic() + BULK_DEADLINE_S
        reply = None if resource in self._not_offered else self._rest(f"/rest/{resource}/{block_hash}.bin", deadline)
        if reply and reply.status == 200 and reply.media_type == "application/octet-stream":
            return reply.body
        body = over_rpc(deadline - time.monotonic())
        if reply and reply.status < 500:
            self._not_offered.add(resource)  # a definite no, while RPC has the block
        return body

    def _rest(self, path: str, deadline: float) -> Reply | None:
        """The answer to one GET, or None when none came."""

        def ask(wire: Wire) -> Reply:
            wire.request("GET", path)
            return wire.reply()

        try:
            reply: Reply = self._once(ask, deadline, self._current())
        except Lost:
            return None
        return reply

    def _asked(self, method: str, ask: Ask, deadline: float) -> Any:
        """The result of one RPC call or batch; a read over a connection that died while idle goes over a fresh one.

        What may not be repeated never goes over a connection that may be dead: that could not be told from a loss.
        """
        again = method in REPEATABLE
        if not again:
            self.close()
        while True:
            try:
                return self._authenticated(ask, deadline)
            except JSONRPCException as error:
                raise self._refusal(method, error.code, deadline) from None
            except NoRpc as error:
                raise codes.of_http(method, error.status) from None
            except Lost as error:
                if not again or error.reason != "cut" or not error.kept:
                    raise codes.of_transport(method, error.reason, sent=error.sent) from None
            again = False
            self.close()

    def _authenticated(self, ask: Ask, deadline: float) -> Any:
        """Ask once, and once more when our credentials were refused and there are new ones by now."""
        used = self._current()
        try:
            return self._once(ask, deadline, used)
        except NoRpc as error:
            fresh = self._endpoint_source() if error.status == UNAUTHORIZED else used
            if fresh == used:
                raise
        self._endpoint = fresh
        return self._once(ask, deadline, fresh)

    def _current(self) -> Endpoint:
        if self._endpoint is None:
            self._endpoint = self._endpoint_source()
        return self._endpoint

    def _once(self, ask: Ask, deadline: float, endpoint: Endpoint) -> Any:
        wire = self._take(endpoint)
        kept = wire.reusable
        wire.begin(deadline)
        try:
            return ask(wire)
        except Lost as lost:
            lost.kept = kept
            raise
        finally:
            if wire.reusable and len(self._idle) < MAX_IDLE:
                self._idle.append(wire)
            else:
                wire.close()

    def _take(self, endpoint: Endpoint) -> Wire:
        """An idle connection, or a new one; a child process never touches its parent's."""
        if self._pid != os.getpid():
            self.close()
            self._pid = os.getpid()
        while (wire := _pop(self._idle)) is not None:
            if wire.endpoint == endpoint:
                return wire
            wire.close()
        return Wire(endpoint, self._max_reply_bytes)

    def _refusal(self, method: str, code: int, deadline: float) -> Failure:
        """The failure of an error code; the unspecific -1 of a node that prunes means that the block is gone."""
        left = deadline - time.monotonic()
        if code == -1 and method in _MAY_BE_PRUNED and left > 0:
            chain = self.call("getblockchaininfo", deadline_s=left)
            if isinstance(chain, dict) and chain.get("pruned") is True:
                return codes.failure(codes.PRUNED, code)
        return codes.of_rpc(method, code)


def _pop(idle: list[Wire]) -> Wire | None:
    """One of the idle wires; asking first whether there is one would be a race."""
    try:
        return idle.pop()
    except IndexError:
        return None


def _close_all(idle: list[Wire]) -> None:
    while (wire := _pop(idle)) is not None:
        wire.close()


def _from_hex(text: Any) -> bytes:
    try:
        return bytes.fromhex(text)
    except (TypeError, ValueError):
        raise codes.failure(codes.UNDOCUMENTED) from None
