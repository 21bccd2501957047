"""One Lambda worker as its host sees it: starting, waiting, busy, gone."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from infra.local import outcome
from infra.local.expand import Function
from infra.local.outcome import Outcome
from infra.local.runtime_api import Connection

_LAST_WORDS_S = 1.0


@dataclass
class Invocation:
    """One call of one function."""

    id: str
    payload: bytes
    outcome: asyncio.Future[Outcome]
    since: float = field(default_factory=time.monotonic)

    def finish(self, result: Outcome) -> None:
        """Answer the caller, if it still waits."""
        if not self.outcome.done():
            self.outcome.set_result(result)


@dataclass
class Worker:
    """One process that runs one function, one invocation at a time.

    The host is told when it is `free` (it can take an invocation), when it must be `ended`, and when it is `gone`.
    """

    id: int
    function: Function
    free: Callable[["Worker"], None]
    ended: Callable[["Worker"], None]
    gone: Callable[["Worker"], None]
    ready: bool = False
    invocation: Invocation | None = None
    delivered: bool = False
    start_error: Outcome | None = None
    status: int | None = None
    since: float = field(default_factory=time.monotonic)
    _waiting: Connection | None = None
    _connections: set[Connection] = field(default_factory=set)
    _start_limit_s: float = 0.0
    _timer: asyncio.TimerHandle | None = None
    _reported: bool = False

    def starts(self, limit_s: float) -> None:
        """It has been asked for; loading the handler may take this long."""
        self._start_limit_s = limit_s
        self._arm(limit_s)

    def give(self, invocation: Invocation) -> None:
        """Let it run this invocation as soon as it asks for one."""
        self.invocation, self.delivered = invocation, False
        self._arm(self.function.timeout_s)
        if self._waiting is not None:
            self._deliver(self._waiting)

    def connected(self, connection: Connection) -> None:
        """The worker opened a connection."""
        self._connections.add(connection)

    def disconnected(self, connection: Connection) -> None:
        """The worker closed a connection, or died."""
        self._connections.discard(connection)
        if self._waiting is connection:
            self._waiting = None
        if self.status is not None and not self._connections:
            self._report()

    def asks(self, connection: Connection) -> None:
        """The worker waits for its next invocation."""
        self._waiting = connection
        if self.invocation is not None:
            self._deliver(connection)
        elif not self.ready:
            self.ready = True
            self._rest()

    def answers(self, request_id: str, payload: bytes, *, failed: bool, too_large: bool) -> None:
        """The worker's answer; an answer to anything but its invocation is dropped."""
        invocation = self.invocation
        if invocation is None or not self.delivered or invocation.id != request_id:
            return
        if too_large:
            result = outcome.too_large_response()
        else:
            result = outcome.raised(payload) if failed else outcome.succeeded(payload)
        self.invocation = None
        invocation.finish(result)
        self._rest()

    def fails_to_start(self, payload: bytes) -> None:
        """The handler could not be loaded; the process ends by itself."""
        self.start_error = outcome.raised(payload)

    def exited(self, status: int) -> None:
        """The process ended; what it said last may still be on the wire."""
        self.status = status
        if self._connections:
            self._arm(_LAST_WORDS_S)
        else:
            self._report()

    def hang_up(self) -> None:
        """Close its connections."""
        for connection in list(self._connections):
            connection.close()

    def _deliver(self, connection: Connection) -> None:
        invocation, self._waiting = self.invocation, None
        if invocation is not None:
            self.delivered = True
            connection.deliver(invocation.id, invocation.payload, self.function.arn, self.function.timeout_s)

    def _rest(self) -> None:
        self.since = time.monotonic()
        self._disarm()
        self.free(self)

    def _arm(self, delay_s: float) -> None:
        self._disarm()
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._out_of_time)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _out_of_time(self) -> None:
        if self.status is not None:
            self._report()
            return
        if self.invocation is not None and self.delivered:
            self.invocation.finish(outcome.timed_out(self.invocation.id, self.function.timeout_s))
            self.invocation = None
        elif not self.ready:
            self.start_error = outcome.timed_out(f"init-{self.id}", self._start_limit_s)
        self.ended(self)

    def _report(self) -> None:
        if not self._reported:
            self._reported = True
            self._disarm()
            self.hang_up()
            self.gone(self)
