"""Deliveries: one for each event that an endpoint wants, tried until it is taken or the ladder ends.

    webhooks/deliveries/<endpoint id>   <number in the feed>                     what came of it
    webhooks/due                        <due_ms>/<endpoint id>/<number>          what to try when

A delivery is made in one transaction with the endpoint's progress in the feed, so none is left out and none made twice.
Before each attempt it is put off: whoever crashes in the middle of it leaves a delivery that is tried again. So an
endpoint is called at least once for each event, always with the same `webhook-id`, and perhaps not in order.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from random import uniform
from typing import Literal

from isthmus import feed
from isthmus.failure import Conflict, NotFound
from isthmus.feed import Fed
from isthmus.storage.table import Absent, Condition, Delete, Item, Put, Table, Write, version
from isthmus.webhooks.endpoints import PROGRESS, Endpoint

DUE = "webhooks/due"
LADDER_S = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""How long after the attempt before each one is due; the example of the specification, three days in all."""

CLAIM_MS = 60_000
KEPT_MS = 90 * 86_400_000
_JITTER = 0.1
_BATCH = 40
"""Events in one transaction: two writes for each, and the progress."""

DeliveryStatus = Literal["waiting", "delivered", "failed"]


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one endpoint.

    Args:
        delivery_id: 16 digits, its place in the feed.
        message_id: `webhook-id`: of the event, whoever is told.
        due_ms: when it is tried next; 0 when it is not.
        http_status: of the last answer; 0 when there was none.
        code: why the last attempt failed: `http/<status>` or the code of the failure; empty before and after.
    """

    delivery_id: str
    message_id: str
    aggregate: str
    aggregate_version: int
    topic: str
    event_ms: int
    status: DeliveryStatus
    attempts: int
    due_ms: int
    http_status: int
    code: str
    changed_ms: int
    version: int
    expires_at: int


def make(table: Table, endpoint: Endpoint, now_ms: int, more: Callable[[], bool]) -> int:
    """Make the deliveries of what has come into the feed since the last time; how many.

    Raises:
        Unavailable: the store does not answer; the next time goes on where this one was.
    """
    made = 0
    while more():
        progress = table.get(PROGRESS, endpoint.endpoint_id)
        if progress is None:
            break  # it was deleted at this moment
        events = feed.read(table, after=progress["version"], limit=_BATCH)
        if not events:
            break
        wanted = [one for one in events if endpoint.wants(one.tenant, one.topic)]
        fresh = [_first(one, now_ms) for one in wanted]
        moved = Put(PROGRESS, endpoint.endpoint_id, {"version": events[-1].number}, version(progress["version"]))
        try:
            table.transact([moved, *(write for one in fresh for write in _queued(endpoint, one, Absent()))])
        except Conflict:
            continue  # somebody else has made them, or it was deleted
        made += len(fresh)
    return made


def claim(table: Table, endpoint: Endpoint, delivery_id: str, due_key: str, now_ms: int) -> Delivery | None:
    """The delivery to try now, put off until this attempt must be over; None if it is not to be tried."""
    found = find(table, endpoint.endpoint_id, delivery_id)
    if found is None or found.status != "waiting" or due_key != _due_key(endpoint.endpoint_id, found):
        table.delete(DUE, due_key)  # what is due of it, if anything, has another key
        return None
    taken = replace(found, attempts=found.attempts + 1, due_ms=now_ms + CLAIM_MS, changed_ms=now_ms)
    return _moved(table, endpoint, found, taken)


def succeeded(table: Table, endpoint: Endpoint, tried: Delivery, http_status: int, now_ms: int) -> Delivery | None:
    """Note that it was taken."""
    done = replace(tried, status="delivered", due_ms=0, http_status=http_status, code="", changed_ms=now_ms)
    return _moved(table, endpoint, tried, done)


def failed(
    table: Table, endpoint: Endpoint, tried: Delivery, http_status: int, code: str, now_ms: int
) -> Delivery | None:
    """Note that it was not taken: it is tried again, or at the end of the ladder never."""
    noted = replace(tried, http_status=http_status, code=code, changed_ms=now_ms)
    if tried.attempts >= len(LADDER_S):
        return _moved(table, endpoint, tried, replace(noted, status="failed", due_ms=0))
    wait_ms = LADDER_S[tried.attempts] * 1000
    jitter_ms = int(wait_ms * uniform(0, _JITTER))  # noqa: S311 - spreads, guards nothing
    return _moved(table, endpoint, tried, replace(noted, due_ms=now_ms + wait_ms + jitter_ms))


def abandon(table: Table, endpoint: Endpoint, delivery_id: str, due_key: str, now_ms: int) -> None:
    """Give up what is due for an endpoint that is not called any more; it can be redelivered."""
    found = find(table, endpoint.endpoint_id, delivery_id)
    if found is None or found.status != "waiting" or due_key != _due_key(endpoint.endpoint_id, found):
        table.delete(DUE, due_key)
        return
    gone = replace(found, status="failed", due_ms=0, code="webhooks/disabled", changed_ms=now_ms)
    _moved(table, endpoint, found, gone)


def again(table: Table, endpoint: Endpoint, delivery_id: str, now_ms: int) -> Delivery:
    """Try a delivery from the beginning of the ladder, whatever has become of it.

    Raises:
        NotFound: the endpoint has no such delivery.
        Conflict: it is being tried at this moment.
    """
    found = find(table, endpoint.endpoint_id, delivery_id)
    if found is None:
        raise NotFound(
            "The endpoint has no such delivery.",
            next_step="list_deliveries shows those of the last 90 days.",
            code="webhooks/delivery",
        )
    moved = _moved(
        table, endpoint, found, replace(found, status="waiting", attempts=0, due_ms=now_ms, changed_ms=now_ms)
    )
    if moved is None:
        raise Conflict(
            "The delivery is being tried at this moment.", next_step="Look what became of it.", code="webhooks/busy"
        )
    return moved


def find(table: Table, endpoint_id: str, delivery_id: str) -> Delivery | None:
    """A delivery of an endpoint."""
    item = table.get(_partition(endpoint_id), delivery_id)
    return None if item is None else Delivery(**item)


def newest(table: Table, endpoint_id: str, *, before: str | None, limit: int) -> tuple[list[Delivery], str | None]:
    """Deliveries of an endpoint, the newest first, and what to go on before."""
    page = table.query(_partition(endpoint_id), after=before, limit=limit, reverse=True)
    return [Delivery(**row.item) for row in page.rows], page.after


def _first(event: Fed, now_ms: int) -> Delivery:
    return Delivery(
        delivery_id=f"{event.number:016d}",
        message_id=f"evt_{event.id[:32]}",
        aggregate=event.aggregate,
        aggregate_version=event.version,
        topic=event.topic,
        event_ms=event.at_ms,
        status="waiting",
        attempts=0,
        due_ms=now_ms,
        http_status=0,
        code="",
        changed_ms=now_ms,
        version=1,
        expires_at=(now_ms + KEPT_MS) // 1000,
    )


def _moved(table: Table, endpoint: Endpoint, before: Delivery, after: Delivery) -> Delivery | None:
    """The delivery as it is from now on; None if somebody else has changed it."""
    moved = replace(after, version=before.version + 1)
    old, new = _due_key(endpoint.endpoint_id, before), _due_key(endpoint.endpoint_id, moved)
    unlisted: list[Write] = [Delete(DUE, old)] if before.due_ms and old != new else []
    try:
        table.transact([*unlisted, *_queued(endpoint, moved, version(before.version))])
    except Conflict:
        return None
    return moved


def _queued(endpoint: Endpoint, delivery: Delivery, when: Condition) -> list[Write]:
    """A delivery and, if it is to be tried, its place in the queue."""
    item: Item = asdict(delivery)
    writes: list[Write] = [Put(_partition(endpoint.endpoint_id), delivery.delivery_id, item, when)]
    if delivery.due_ms:
        told = {"tenant": endpoint.tenant, "endpoint_id": endpoint.endpoint_id, "delivery_id": delivery.delivery_id}
        writes.append(Put(DUE, _due_key(endpoint.endpoint_id, delivery), told))
    return writes


def _partition(endpoint_id: str) -> str:
    return f"webhooks/deliveries/{endpoint_id}"


def _due_key(endpoint_id: str, delivery: Delivery) -> str:
    return f"{delivery.due_ms:013d}/{endpoint_id}/{delivery.delivery_id}"
