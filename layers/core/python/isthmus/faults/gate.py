"""One process's view of the breakers: read once a second, written only when something goes wrong or is over."""

import itertools
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

from isthmus import wiring
from isthmus.failure import Conflict, Failure, Unavailable
from isthmus.faults.breaker import BRAKE, LEASE_MS, PARTITION, Breaker, Event, breaker_of, step
from isthmus.log import logger
from isthmus.storage.table import Table

OPEN = "breaker/open"
SEEN_S = 1.0
UNREADABLE_S = 10.0
"""So long nobody is stopped after the store did not say how a breaker stands."""

PATIENCE_S = 0.2
"""How long a request may wait for what the store says of a breaker."""

T = TypeVar("T")


class Gate:
    """Lets requests through to neighbours, or not, and remembers how it went.

    When the store does not answer in time everybody is let through: a breaker protects, it is no condition.
    """

    def __init__(
        self,
        table: Callable[[], Table],
        now_ms: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._table, self._now_ms, self._monotonic, self._patience_s = table, now_ms, monotonic, patience_s
        self._seen: dict[str, tuple[float, Breaker]] = {}
        self._asking: threading.Thread | None = None
        self._process, self._requests = uuid.uuid4().hex, itertools.count()

    def who(self) -> str:
        """A name for one request among those of all processes."""
        return f"{self._process}-{next(self._requests)}"

    def ask(self, name: str, who: str) -> Failure | None:
        """Why `who` is not let through to a neighbour, or None: it is."""
        now_ms = self._now_ms()
        breaker = self._known(name)
        if step(breaker, "ask", now_ms, who) is not breaker:
            breaker = self._moved(name, "ask", now_ms, who) or Breaker()
        return None if breaker.lets(who) else _refusal(name, breaker, now_ms)

    def tell(self, name: str, event: Event, who: str) -> None:
        """How it went; all is well and was well costs nothing."""
        breaker, now_ms = self._known(name), self._now_ms()
        if step(breaker, event, now_ms, who) is not breaker:
            self._moved(name, event, now_ms, who)

    def _known(self, name: str) -> Breaker:
        until, breaker = self._seen.get(name, (0.0, Breaker()))
        if self._monotonic() < until:
            return breaker
        read = self._patiently(lambda: breaker_of(self._table().get(PARTITION, name)))
        return self._remember(name, read)

    def _moved(self, name: str, event: Event, now_ms: int, who: str) -> Breaker | None:
        """The breaker after an event, as it is stored; None when the store does not say."""
        moved = self._patiently(lambda: move(self._table(), name, event, now_ms, who))
        return self._remember(name, moved) if moved else None

    def _remember(self, name: str, breaker: Breaker | None) -> Breaker:
        seen_s = UNREADABLE_S if breaker is None else SEEN_S
        self._seen[name] = (self._monotonic() + seen_s, breaker or Breaker())
        return breaker or Breaker()

    def _patiently(self, work: Callable[[], T]) -> T | None:
        """What the store says, if it says so in time; while one question is open, no other is asked."""
        if self._asking is not None and self._asking.is_alive():
            return None
        found: list[T] = []

        def ask() -> None:
            try:
                found.append(work())
            except Failure as failure:
                logger().warning("breaker unread", kind=failure.kind, code=failure.code)

        self._asking = threading.Thread(target=ask, daemon=True)
        try:
            self._asking.start()
        except RuntimeError:  # the process may have no more threads
            return None
        self._asking.join(self._patience_s)
        return found[0] if found else None


def move(table: Table, name: str, event: Event, now_ms: int, who: str = "") -> Breaker:
    """What an event makes of the stored breaker; when somebody else moved it meanwhile, what they made of it.

    Raises:
        Unavailable: the store does not answer.
    """
    breaker = breaker_of(table.get(PARTITION, name))
    after = step(breaker, event, now_ms, who)
    if after is breaker:
        return breaker
    try:
        table.put(PARTITION, name, after.item(), when=breaker.when)
    except Conflict:
        return breaker_of(table.get(PARTITION, name))
    if after.state != breaker.state:
        logger().warning("breaker", breaker=name, was=breaker.state, state=after.state, pause_ms=after.pause_ms)
    return breaker_of(after.item())


def gate() -> Gate | None:
    """The gate of this process, where it has a store."""
    return _gate() if _has_store(os.environ) else None


@cache
def _gate() -> Gate:
    port: Any = Table
    return Gate(lambda: wiring.provide(port), lambda: time.time_ns() // 1_000_000)


def _has_store(environ: Mapping[str, str]) -> bool:
    return "ISTHMUS_TABLE" in environ or "ISTHMUS_HOME" in environ


def _refusal(name: str, breaker: Breaker, now_ms: int) -> Failure:
    if breaker.state == "held":
        return Unavailable(
            f"A critical failure has stopped what spends in {name.removeprefix(BRAKE)}.",
            next_step="Look at the critical groups of `list_groups`, then `reset_breaker`.",
            code="breaker/held",
            severity="error",
        )
    return Unavailable(
        f"The neighbour {name} has not answered for a while and is not asked at the moment.",
        next_step="Repeat the same request after `retry_after_ms`; `health` says how the neighbour is.",
        code=OPEN,
        retry_after_ms=min(max(breaker.until_ms - now_ms, 1), LEASE_MS),
    )
