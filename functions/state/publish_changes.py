"""Tell the world what has changed."""

from pydantic import Field

from isthmus import feed
from isthmus.failure import Unavailable
from isthmus.fields import Request, Response
from isthmus.journal import OUTBOX
from isthmus.operation import Effect, operation
from isthmus.ports import Bus, Clock, Table

WORKING_MS = 20_000


class PublishChanges(Request):
    """Nothing to ask."""


class Published(Response):
    """What was done."""

    moved: int = Field(description="events that came into the feed")
    told: int = Field(description="events that the bus was told")


@operation(
    "POST /v1/state/publish", effect=Effect.CHANGE, schedule="rate(1 minute)", follows=OUTBOX, errors=(Unavailable,)
)
def publish_changes(request: PublishChanges, table: Table, bus: Bus, clock: Clock) -> Published:
    """Move the events that wait in the outbox into the feed, and publish on the bus what it has not been told."""
    until_ms = clock.now_ms() + WORKING_MS

    def more() -> bool:
        return clock.now_ms() < until_ms

    return Published(moved=feed.relay(table, more), told=feed.publish(table, bus, more))
