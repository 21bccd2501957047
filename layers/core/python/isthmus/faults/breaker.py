"""Circuit breakers: whether a neighbour is asked at all, as a table of transitions over one stored item for each.

    closed     it is asked; outages are counted, an answer forgets them
    open       it is not asked until the pause is over
    half-open  one request, over all processes, finds out whether it is back; the others are not let through
    held       nobody is let through until a person resets it: the brake on what spends

What is kept of a breaker is one item under `faults/breakers`, written with a condition on its version, so that of all
who want to probe exactly one does.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Literal, NamedTuple

from isthmus.storage.table import Absent, Condition, Item, version

PARTITION = "faults/breakers"
BRAKE = "spend:"
"""`spend:<domain>` is the brake on the operations of a domain that spend."""

OUTAGES = 5
"""So many in a row open it, if they happen within the window."""

WINDOW_MS = 60_000
FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 1_000, 30_000
LEASE_MS = 30_000
"""So long a probe may take before another one is let through: API Gateway has answered by then."""

State = Literal["closed", "open", "half-open", "held"]
Event = Literal["ask", "answer", "outage", "nothing", "hold", "reset"]
"""A request wants through; the neighbour answered, or did not; it was not asked after all; a person's or the
analysis's word."""


@dataclass(frozen=True)
class Breaker:
    """One breaker; times in milliseconds since the epoch.

    Args:
        state: what happens to requests.
        outages: how many in a row, while closed.
        since_ms: when the first of them was, or when it left `closed`.
        until_ms: when the pause or the probe's lease is over.
        pause_ms: how long the pause is; it doubles with each probe in vain.
        probe: who finds out whether the neighbour is back.
        version: how often it was written.
    """

    state: State = "closed"
    outages: int = 0
    since_ms: int = 0
    until_ms: int = 0
    pause_ms: int = 0
    probe: str = ""
    version: int = 0

    @property
    def when(self) -> Condition:
        """The condition under which this breaker may be written back."""
        return version(self.version) if self.version else Absent()

    def item(self) -> Item:
        """What is written back, one version further."""
        return asdict(self) | {"version": self.version + 1}

    def lets(self, who: str) -> bool:
        """Whether `who`, having asked, is let through."""
        return self.state == "closed" or (self.state == "half-open" and self.probe == who)


Guard = Callable[[Breaker, int, str], bool]
Change = Callable[[Breaker, int, str], Breaker]


class Row(NamedTuple):
    """In this state, at this event, if the guard holds, the breaker becomes what the change says."""

    state: State
    event: Event
    guard: Guard
    change: Change


def _always(_breaker: Breaker, _now_ms: int, _who: str) -> bool:
    return True


def _stale(breaker: Breaker, now_ms: int, _who: str) -> bool:
    return breaker.outages == 0 or now_ms - breaker.since_ms > WINDOW_MS


def _enough(breaker: Breaker, _now_ms: int, _who: str) -> bool:
    return breaker.outages + 1 >= OUTAGES


def _over(breaker: Breaker, now_ms: int, _who: str) -> bool:
    return now_ms >= breaker.until_ms


def _own(breaker: Breaker, _now_ms: int, who: str) -> bool:
    return breaker.probe == who


def _counted(breaker: Breaker, _now_ms: int, _who: str) -> Breaker:
    return replace(breaker, outages=breaker.outages + 1)


def _counted_anew(breaker: Breaker, now_ms: int, _who: str) -> Breaker:
    return replace(breaker, outages=1, since_ms=now_ms)


def _opened(breaker: Breaker, now_ms: int, _who: str) -> Breaker:
    pause_ms = min(breaker.pause_ms * 2 or FIRST_PAUSE_MS, LONGEST_PAUSE_MS)
    since_ms = now_ms if breaker.state == "closed" else breaker.since_ms
    return replace(
        breaker, state="open", outages=0, since_ms=since_ms, until_ms=now_ms + pause_ms, pause_ms=pause_ms, probe=""
    )


def _probing(breaker: Breaker, now_ms: int, who: str) -> Breaker:
    return replace(breaker, state="half-open", until_ms=now_ms + LEASE_MS, probe=who)


def _due(breaker: Breaker, now_ms: int, _who: str) -> Breaker:
    return replace(breaker, state="open", until_ms=now_ms, probe="")


def _closed(breaker: Breaker, _now_ms: int, _who: str) -> Breaker:
    return Breaker(version=breaker.version)


def _held(breaker: Breaker, now_ms: int, _who: str) -> Breaker:
    return Breaker("held", since_ms=now_ms, version=breaker.version)


TRANSITIONS: tuple[Row, ...] = (
    Row("closed", "outage", _stale, _counted_anew),
    Row("closed", "outage", _enough, _opened),
    Row("closed", "outage", _always, _counted),
    Row("closed", "answer", lambda breaker, _now, _who: breaker.outages > 0, _closed),
    Row("closed", "hold", _always, _held),
    Row("open", "ask", _over, _probing),
    Row("open", "hold", _always, _held),
    Row("open", "reset", _always, _closed),
    Row("half-open", "ask", _over, _probing),
    Row("half-open", "outage", _own, _opened),
    Row("half-open", "answer", _own, _closed),
    Row("half-open", "nothing", _own, _due),
    Row("half-open", "hold", _always, _held),
    Row("half-open", "reset", _always, _closed),
    Row("held", "reset", _always, _closed),
)
"""Whatever no row says changes nothing."""


def step(breaker: Breaker, event: Event, now_ms: int, who: str = "") -> Breaker:
    """What becomes of a breaker; the same object when nothing does."""
    for row in TRANSITIONS:
        if (row.state, row.event) == (breaker.state, event) and row.guard(breaker, now_ms, who):
            return row.change(breaker, now_ms, who)
    return breaker


def breaker_of(item: Item | None) -> Breaker:
    """The breaker that an item holds; without one it is closed."""
    return Breaker(**item) if item else Breaker()
