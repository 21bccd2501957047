"""The feed and the webhooks' queue on both stores, with more events than one transaction holds."""

import time
from typing import Any

from isthmus import feed, journal
from isthmus.access.caller import Caller
from isthmus.storage.table import Table
from isthmus.webhooks import deliveries, endpoints
from isthmus.webhooks.deliveries import DUE
from tests.faults.feed import happen

EVENTS = 70


def fill(table: Any) -> None:
    for number in range(EVENTS):
        happen(table, f"tally/x/{number % 40}", now_ms=1_000 + (number * 7) % 13)


def test_every_event_comes_into_the_feed_once_and_in_order(table: Table) -> None:
    fill(table)
    assert feed.relay(table, lambda: True) == EVENTS
    fed = feed.read(table, after=0)

    assert [one.number for one in fed] == list(range(1, EVENTS + 1))
    assert len({(one.aggregate, one.version) for one in fed}) == EVENTS
    for name in {one.aggregate for one in fed}:
        versions = [one.version for one in fed if one.aggregate == name]
        assert versions == sorted(versions)
    assert table.query(journal.OUTBOX).rows == ()
    assert [one.number for one in feed.before(table, 6, limit=3)] == [5, 4, 3]


def test_deliveries_of_many_events_are_made_once(table: Table) -> None:
    ada = Caller("did", "did:key:zAda", "owner")
    made = endpoints.create(table, ada, "https://hooks.example.com/", (), start=0, now_ms=1)
    fill(table)
    feed.relay(table, lambda: True)
    now_ms = time.time_ns() // 1_000_000

    assert deliveries.make(table, made, now_ms, lambda: True) == EVENTS
    assert deliveries.make(table, made, now_ms, lambda: True) == 0
    assert len(table.query(DUE).rows) == EVENTS
    newest, after = deliveries.newest(table, made.endpoint_id, before=None, limit=10)
    assert ([int(one.delivery_id) for one in newest], after) == (list(range(EVENTS, EVENTS - 10, -1)), f"{61:016d}")
