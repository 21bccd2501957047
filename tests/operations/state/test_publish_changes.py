"""Events come from the outbox into the feed and onto the bus."""

from typing import Any

from functions.state.publish_changes import publish_changes
from isthmus import journal
from tests.faults.calls import SmallWorld

SCHEDULED = {"source": "aws.scheduler", "resources": ["publish_changes"], "detail": {}}


def test_what_waits_is_moved_and_told_once(here: SmallWorld, paid: str, bus: Any) -> None:
    assert publish_changes(SCHEDULED, None) == {"moved": 2, "told": 2}
    assert publish_changes(SCHEDULED, None) == {"moved": 0, "told": 0}
    assert here.table.query(journal.OUTBOX).rows == ()
    assert [one.type for one in bus.heard] == ["ledger.payment.prepared", "ledger.payment.succeeded"]
    assert [one.id for one in bus.heard] == [one.hash for one in journal.history(here.table, paid)]


def test_the_bus_is_told_where_to_look_and_not_what_is_there(here: SmallWorld, paid: str, bus: Any) -> None:
    here.call(publish_changes, {})

    assert bus.heard[0].source == "isthmus.state"
    assert bus.heard[0].detail.keys() == {
        *("number", "tenant", "aggregate", "version", "type", "state", "at_ms"),
    }
    assert bus.heard[0].detail["aggregate"] == paid
