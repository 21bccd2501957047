"""Dead letters: events on which a function failed for good, kept until somebody redrives or discards them.

    waiting    it is kept, and nothing happens
    redriven   the same function was given the same event again; if it fails once more, the letter waits again
    discarded  somebody decided that it is not worth repeating, and said why

A letter is one item under `faults/letters`. Its id is the digest of the function and the event, because the event is
what a repetition is known by: a scheduled event that fails again is the same letter with one failure more, and so is a
redriven one. Scheduled events hold no secrets: the template spells them out.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from typing import Any, Literal

from isthmus.failure import Conflict, Failure, NotFound, Precondition
from isthmus.storage.table import MAX_PAGE, Absent, Condition, Item, Table, version

LETTERS = "faults/letters"
MAX_EVENT_BYTES = 300_000
"""A larger event is not kept, and cannot be redriven."""

MAX_SEEN = 20
"""Invocations by which a record that arrives twice is known."""

ATTEMPTS = 5
REDRIVEN_MS = 3_600_000
"""After that without a word, the letter may be redriven again: the template has events given up after 15 minutes."""

KEPT_S = 90 * 86_400
State = Literal["waiting", "redriven", "discarded"]


@dataclass(frozen=True)
class Letter:
    """One event that failed for good; times in milliseconds since the epoch.

    `attempts` counts invocations and `failures` how often all of them were in vain; `event` is JSON, empty when it was
    too large to keep.
    """

    letter_id: str
    function: str
    function_arn: str
    event: str
    error: str
    reason: str
    attempts: int
    failures: int
    first_ms: int
    last_ms: int
    state: State = "waiting"
    redriven_ms: int = 0
    discarded: str = ""
    seen: tuple[str, ...] = ()
    expires_at: int = 0
    version: int = 0

    @property
    def when(self) -> Condition:
        """The condition under which this letter may be written back."""
        return version(self.version) if self.version else Absent()

    def item(self) -> Item:
        """What is written back, one version further."""
        item = asdict(self) | {"version": self.version + 1, "seen": list(self.seen)}
        return item if self.expires_at else {name: value for name, value in item.items() if name != "expires_at"}


@dataclass(frozen=True)
class Record:
    """What Lambda says of an event that failed for good."""

    id: str
    function_arn: str
    event: Any
    error: str
    reason: str
    attempts: int


def letter_of(item: Item) -> Letter:
    """The letter that an item holds."""
    known = {field.name: item[field.name] for field in fields(Letter) if field.name in item}
    return Letter(**known | {"seen": tuple(item["seen"])})


def keep(table: Table, record: Record, now_ms: int) -> Letter:
    """Keep a failed event; the same record twice changes nothing.

    Raises:
        Conflict: others write the letter all the time.
        Unavailable: the store does not answer.
    """
    arn = ":".join(record.function_arn.split(":")[:7])  # without the version that served it
    event = json.dumps(record.event, sort_keys=True)
    letter_id = sha256(f"{arn}\n{event}".encode()).hexdigest()[:32]
    held = event if len(event.encode()) <= MAX_EVENT_BYTES else ""
    first = Letter(letter_id, arn.rpartition(":")[2], arn, held, "", "", 0, 0, now_ms, now_ms)

    for _ in range(ATTEMPTS):
        item = table.get(LETTERS, letter_id)
        letter = letter_of(item) if item else first
        if record.id in letter.seen:
            return letter
        with suppress(Conflict):
            return save(table, _failed_again(letter, record, now_ms))
    raise Conflict("Others write this letter all the time.", next_step="Repeat.", code="faults/letter-busy")


def _failed_again(letter: Letter, record: Record, now_ms: int) -> Letter:
    return replace(
        letter,
        error=record.error[:128],
        reason=record.reason[:64],
        attempts=letter.attempts + record.attempts,
        failures=letter.failures + 1,
        last_ms=now_ms,
        state="waiting",
        discarded="",
        expires_at=0,
        seen=(*letter.seen, record.id)[-MAX_SEEN:],
    )


def redrive(table: Table, start: Callable[[str, Mapping[str, Any]], None], letter_id: str, now_ms: int) -> Letter:
    """Give the same function the same event again, once until it has failed again.

    The letter is marked before the function is started, so that of two who redrive it one does. When it is not certain
    that the event was taken, the letter waits again: a second start is safe, as the same event is the same work.

    Raises:
        NotFound: there is no such letter.
        Conflict: it is on its way already, or somebody else changes it.
        Precondition: it was discarded, or its event was too large to keep.
        Unavailable: it is not certain that the event was taken; the letter waits again.
    """
    letter = find(table, letter_id, now_ms)
    if letter.state == "redriven" and now_ms - letter.redriven_ms < REDRIVEN_MS:
        raise Conflict(
            "The letter is on its way already.",
            next_step="Wait: when it fails again, it waits again.",
            code="faults/letter-redriven",
        )
    if letter.state == "discarded" or not letter.event:
        raise Precondition(
            "The letter was discarded." if letter.event else "The event was too large to be kept.",
            next_step="Start the operation anew.",
            code="faults/letter-gone",
        )
    sent = save(table, replace(letter, state="redriven", redriven_ms=now_ms))
    try:
        start(letter.function_arn, json.loads(letter.event))
    except Failure:
        save(table, replace(sent, state="waiting", redriven_ms=letter.redriven_ms))
        raise
    return sent


def discard(table: Table, letter_id: str, reason: str, now_ms: int) -> Letter:
    """Keep the letter for ninety days more with the reason why nobody repeats it.

    Raises:
        NotFound: there is no such letter.
        Conflict: somebody else changes it.
    """
    letter = find(table, letter_id, now_ms)
    return save(table, replace(letter, state="discarded", discarded=reason, expires_at=now_ms // 1000 + KEPT_S))


def find(table: Table, letter_id: str, now_ms: int) -> Letter:
    """The letter of this id.

    Raises:
        NotFound: there is none.
    """
    item = table.get(LETTERS, letter_id)
    letter = letter_of(item) if item else None
    if letter is None or _expired(letter, now_ms):
        raise NotFound(
            "There is no such letter.", next_step="`list_dead_letters` lists those there are.", code="faults/letter"
        )
    return letter


def everything(table: Table, now_ms: int) -> list[Letter]:
    """The letters there are, those that failed last first."""
    found = [letter_of(row.item) for row in table.query(LETTERS, limit=MAX_PAGE).rows]
    return sorted((one for one in found if not _expired(one, now_ms)), key=lambda one: one.last_ms, reverse=True)


def save(table: Table, letter: Letter) -> Letter:
    """Write a letter back, if nobody else did since it was read.

    Raises:
        Conflict: somebody did.
    """
    table.put(LETTERS, letter.letter_id, letter.item(), when=letter.when)
    return replace(letter, version=letter.version + 1)


def _expired(letter: Letter, now_ms: int) -> bool:
    return bool(letter.expires_at) and letter.expires_at * 1000 <= now_ms
