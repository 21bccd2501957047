"""The journal: the state of every process as a chain of events, one version after the other, none ever rewritten.

An aggregate is one thing that changes, such as `ledger/payment/<id>` or `bitcoin/transaction/<txid>`. Its rows:

    journal/<aggregate>   head              version, state, data, hash: the events folded, so reading is one get
                          event/<version>   type, data, at_ms, by, the hash of the event before, its own hash
    journal/outbox        <at_ms>-<id>      which events nobody outside has been told of yet (isthmus.feed)

A change is one transaction: the head at the version that was read, the new event, its place in the outbox, and whatever
the caller adds. Who comes second with the same version gets Conflict and changes nothing. `data` of the head is that of
all events, later names winning, so the head can be verified against its events and built anew from them.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from isthmus.failure import Conflict, Integrity, NotFound
from isthmus.storage.table import Absent, Check, Item, Put, Table, Write, version

OUTBOX = "journal/outbox"
START = ""
"""The state before the first event."""

_HEAD = "head"
_EVENT = "event/"
_PAGE = 500
_DIGITS = 12


@dataclass(frozen=True)
class Lifecycle:
    """Which event leads from which state to which; what is not in the table is refused."""

    name: str
    transitions: Mapping[tuple[str, str], str]

    def after(self, state: str, event: str) -> str:
        """The state that the event leads to.

        Raises:
            Conflict: no row of the table says so.
        """
        if (state, event) not in self.transitions:
            raise Conflict(
                f"A {self.name} that is {state or 'not there'} cannot become {event}.",
                next_step="Read its state, and decide again.",
                code="state/not-allowed",
            )
        return self.transitions[state, event]


@dataclass(frozen=True)
class Event:
    """One thing that happened to an aggregate."""

    aggregate: str
    version: int
    type: str
    state: str
    data: Item
    at_ms: int
    by: str
    previous: str
    hash: str


@dataclass(frozen=True)
class Head:
    """An aggregate as it is now."""

    aggregate: str
    version: int
    state: str
    data: Item
    at_ms: int
    hash: str


@dataclass(frozen=True)
class Change:
    """One event and the head after it, not yet written."""

    event: Event
    head: Head


def fresh(aggregate: str) -> Head:
    """An aggregate to which nothing has happened."""
    return Head(aggregate, 0, START, {}, 0, "")


def load(table: Table, aggregate: str) -> Head | None:
    """The aggregate's head, or None."""
    item = table.get(_partition(aggregate), _HEAD)
    return None if item is None else _head(aggregate, item)


def draft(lifecycle: Lifecycle, head: Head, event: str, data: Item, *, now_ms: int, by: str) -> Change:
    """The change that one event makes; nothing is written.

    Raises:
        Conflict: the lifecycle does not allow the event in this state.
    """
    state = lifecycle.after(head.state, event)
    drafted = Event(head.aggregate, head.version + 1, event, state, data, now_ms, by, head.hash, "")
    chained = replace(drafted, hash=digest(drafted))
    return Change(chained, _folded(head, chained))


def writes(change: Change) -> list[Write]:
    """The rows of a change, each on its condition, for one transaction with whatever belongs to it."""
    event, head = change.event, change.head
    partition = _partition(event.aggregate)
    told = {"aggregate": event.aggregate, "version": event.version}
    return [
        Put(partition, _HEAD, _head_item(head), Absent() if event.version == 1 else version(event.version - 1)),
        Put(partition, _event_key(event.version), _event_item(event), Absent()),
        Put(OUTBOX, outbox_key(event), told, Absent()),
    ]


def unchanged(head: Head) -> Check:
    """The condition that nothing happens to the aggregate meanwhile, for a transaction that goes by its state."""
    return Check(_partition(head.aggregate), _HEAD, version(head.version))


def outbox_key(event: Event) -> str:
    """The place of an event in the outbox: about the order of time, but clocks differ and a moment has many events."""
    return f"{event.at_ms:013d}-{event.hash[:32]}"


def apply(table: Table, change: Change, also: Sequence[Write] = ()) -> Head:
    """Write a change, and what belongs to it, or nothing.

    Raises:
        Conflict: the aggregate has changed meanwhile, or a condition of `also` does not hold.
        Unavailable: the store did not answer; the change may have been written: load, and compare the hash.
    """
    table.transact([*writes(change), *also])
    return change.head


def history(table: Table, aggregate: str, *, after: int = 0, limit: int = 100) -> list[Event]:
    """The aggregate's events after a version, oldest first."""
    partition = _partition(aggregate)
    page = table.query(partition, prefix=_EVENT, after=_event_key(after), limit=limit)
    return [_event(aggregate, row.item) for row in page.rows]


def folded(table: Table, aggregate: str, *, until: int | None = None) -> Head:
    """The head that the events give, up to a version or all of them, each verified.

    Raises:
        NotFound: there is no such aggregate.
        Integrity: an event is missing, was changed, or does not follow the one before.
    """
    head = fresh(aggregate)
    while head.version != until and (events := history(table, aggregate, after=head.version, limit=_PAGE)):
        for event in events[: None if until is None else until - head.version]:
            if (event.version, event.previous) != (head.version + 1, head.hash) or event.hash != digest(event):
                raise Integrity(
                    f"Event {head.version + 1} of {aggregate} is missing, or is not what was written.",
                    next_step="Stop what uses it, and restore the table to a time before the damage.",
                    code="state/broken-chain",
                )
            head = _folded(head, event)
    if head.version == 0:
        raise NotFound("There is no such aggregate.", next_step="Check its name.", code="state/no-aggregate")
    return head


def verify(table: Table, aggregate: str) -> Head:
    """The head, once it is proven to be what the events say.

    Raises:
        NotFound: there is no such aggregate.
        Integrity: the chain is broken, or the head is not what the events give.
    """
    found = load(table, aggregate)
    expected = folded(table, aggregate, until=found.version if found else None)
    if found != expected:
        raise Integrity(
            f"The head of {aggregate} is not what its events say.",
            next_step="POST /v1/state/rebuild writes it anew from the events.",
            code="state/wrong-head",
        )
    return expected


def rebuild(table: Table, aggregate: str) -> Head:
    """Write the head anew from its events.

    Raises:
        NotFound: there is no such aggregate.
        Integrity: the chain of events is broken.
        Conflict: the aggregate was written to meanwhile.
    """
    found = table.get(_partition(aggregate), _HEAD)  # before the events, so that none of them comes between unnoticed
    head = folded(table, aggregate)
    when = Absent() if found is None else version(found["version"])
    table.put(_partition(aggregate), _HEAD, _head_item(head), when=when)
    return head


def digest(event: Event) -> str:
    """SHA-256 over the event's content and the hash of the one before, hexadecimal."""
    content = [
        event.previous,
        event.aggregate,
        event.version,
        event.type,
        event.state,
        event.data,
        event.at_ms,
        event.by,
    ]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _folded(head: Head, event: Event) -> Head:
    return Head(head.aggregate, event.version, event.state, head.data | event.data, event.at_ms, event.hash)


def _partition(aggregate: str) -> str:
    return f"journal/{aggregate}"


def _event_key(number: int) -> str:
    return f"{_EVENT}{number:0{_DIGITS}d}"


def _head_item(head: Head) -> dict[str, Any]:
    return {"version": head.version, "state": head.state, "data": head.data, "at_ms": head.at_ms, "hash": head.hash}


def _event_item(event: Event) -> dict[str, Any]:
    return {
        "version": event.version,
        "type": event.type,
        "state": event.state,
        "data": event.data,
        "at_ms": event.at_ms,
        "by": event.by,
        "previous": event.previous,
        "hash": event.hash,
    }


def _event(aggregate: str, item: Item) -> Event:
    return Event(aggregate=aggregate, **item)


def _head(aggregate: str, item: Item) -> Head:
    return Head(aggregate=aggregate, **item)
