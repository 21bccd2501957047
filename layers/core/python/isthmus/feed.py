"""The feed: every event of the journal once, in one order, under numbers without a gap.

    journal/feed             event/<number>      which event it is, and whose
                             head                version: the last number
                             told                version: up to which number the bus was told
    journal/<aggregate>      fed                 version: how many of its events are in the feed, and whose they are

Events come out of the outbox in about the order of time, which is not good enough: of one aggregate a later event may
lie before an earlier one. So the outbox only says which aggregates have news, and their chains say which events these
are. A batch is one transaction on the condition that the feed still ends where it was read to end: of several relays at
once one wins, and what arrives late changes nothing. Whoever follows the feed stops at the first number that is not
there, because a query is not a snapshot: what it shows may have been written around what it has passed already.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from isthmus.access.caller import MAIN_TENANT
from isthmus.failure import Conflict
from isthmus.journal import OUTBOX, Event, history, outbox_key
from isthmus.ports import Bus, News
from isthmus.storage.table import Absent, Condition, Delete, Put, Table, Write, version

FEED = "journal/feed"
SOURCE = "isthmus.state"
MAX_BATCH = 33
"""Events in one transaction: three writes for each, if all are of different aggregates, and the head."""

MAX_READ = 1000

_HEAD, _TOLD, _FED = "head", "told", "fed"
_EVENT = "event/"


@dataclass(frozen=True)
class Fed:
    """One event in the feed.

    Args:
        number: its place, from 1, without gaps.
        id: of the event, the same wherever and however often it is told: the hash of its content and its past.
        tenant: whose it is; the main tenant's what names none.
    """

    number: int
    id: str
    tenant: str
    aggregate: str
    version: int
    type: str
    state: str
    at_ms: int

    @property
    def topic(self) -> str:
        """What kind of thing came to what, such as `ledger.payment.succeeded`: domain and kind begin its name."""
        return ".".join([*self.aggregate.split("/")[:2], self.type])


def relay(table: Table, more: Callable[[], bool]) -> int:
    """Move what is in the outbox into the feed while `more` allows it; how many events that were.

    Raises:
        Unavailable: the store does not answer; the next relay goes on where this one was.
    """
    moved = 0
    while more():
        writes, count = _batch(table)
        if not count:
            break
        try:
            table.transact(writes)
        except Conflict:
            continue  # another relay was faster; what it has moved is not in the outbox any more
        moved += count
    return moved


def read(table: Table, *, after: int, limit: int = 100) -> list[Fed]:
    """The events after a number, none left out; fewer than there are as long as one is not visible yet."""
    page = table.query(FEED, prefix=_EVENT, after=_key(after), limit=limit)
    found: list[Fed] = []
    for row in page.rows:
        if row.item["number"] != after + len(found) + 1:
            break
        found.append(Fed(**row.item))
    return found


def before(table: Table, number: int, *, limit: int = 100) -> list[Fed]:
    """The events before a number, the last of them first: what was there when the number was known, so without gaps."""
    page = table.query(FEED, prefix=_EVENT, after=_key(number), limit=limit, reverse=True)
    return [Fed(**row.item) for row in page.rows]


def end(table: Table) -> int:
    """The number of the last event."""
    return _number(table, _HEAD)


def publish(table: Table, bus: Bus, more: Callable[[], bool]) -> int:
    """Tell the bus what it has not been told, each event at least once and in order; how many that were.

    Raises:
        Unavailable: the bus or the store does not answer; what was told is told again, under the same ids.
    """
    told = 0
    while more():
        number = _number(table, _TOLD)
        events = read(table, after=number)
        if not events:
            break
        bus.publish([_news(one) for one in events])
        try:
            table.put(FEED, _TOLD, {"version": events[-1].number}, when=_unchanged(number))
        except Conflict:
            continue  # another relay has told the same
        told += len(events)
    return told


def _batch(table: Table) -> tuple[list[Write], int]:
    """What moves the next events into the feed, and how many these are."""
    last = number = _number(table, _HEAD)
    writes: list[Write] = []
    waiting = table.query(OUTBOX, limit=MAX_BATCH).rows
    for aggregate in dict.fromkeys(row.item["aggregate"] for row in waiting):
        room = MAX_BATCH - (number - last)
        if not room:
            break
        before = table.get(f"journal/{aggregate}", _FED) or {"version": 0}
        events = _following(table, aggregate, before["version"], room)
        if not events:
            continue
        tenant = before.get("tenant") or events[0].data.get("tenant", MAIN_TENANT)
        for event in events:
            number += 1
            writes += [_put(number, tenant, event), Delete(OUTBOX, outbox_key(event))]
        writes.append(Put(f"journal/{aggregate}", _FED, {"version": events[-1].version, "tenant": tenant}))
    return [Put(FEED, _HEAD, {"version": number}, _unchanged(last)), *writes], number - last


def _following(table: Table, aggregate: str, after: int, limit: int) -> list[Event]:
    """The events of an aggregate after a version, up to the first that is not visible yet."""
    events = history(table, aggregate, after=after, limit=limit)
    return [event for expected, event in enumerate(events, after + 1) if event.version == expected]


def _put(number: int, tenant: str, event: Event) -> Put:
    fed = Fed(number, event.hash, tenant, event.aggregate, event.version, event.type, event.state, event.at_ms)
    return Put(FEED, _key(number), asdict(fed), Absent())


def _news(fed: Fed) -> News:
    detail = {name: value for name, value in asdict(fed).items() if name != "id"}
    return News(id=fed.id, source=SOURCE, type=fed.topic, detail=detail)


def _number(table: Table, mark: str) -> int:
    item = table.get(FEED, mark)
    return 0 if item is None else int(item["version"])


def _unchanged(number: int) -> Condition:
    return version(number) if number else Absent()


def _key(number: int) -> str:
    return f"{_EVENT}{number:016d}"
