"""Call everybody about what has happened."""

from pydantic import Field

from isthmus.failure import Unavailable
from isthmus.feed import FEED
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Clock, Deployment, Outbound, Table
from isthmus.webhooks import deliveries, endpoints
from isthmus.webhooks.sending import Round

WORKING_MS = 35_000


class Deliver(Request):
    """Nothing to ask."""


class Delivered(Response):
    """What was done."""

    made: int = Field(description="deliveries of events that are new in the feed")
    delivered: int = Field(description="calls that were answered with success")
    failed: int = Field(description="calls that were not")


@operation(effect=Effect.CHANGE, schedule="rate(1 minute)", follows=FEED, errors=(Unavailable,), timeout_s=50)
def deliver(request: Deliver, table: Table, clock: Clock, outbound: Outbound, deployment: Deployment) -> Delivered:
    """Send every endpoint what is new for it, and again what it has not taken and is due.

    An endpoint whose maker has no access any more is disabled: whoever may, can make or enable it anew.
    """
    until_ms = clock.now_ms() + WORKING_MS

    def more() -> bool:
        return clock.now_ms() < until_ms

    enabled = [one for one in endpoints.everybody(table) if one.status == "enabled"]
    for orphan in [one for one in enabled if endpoints.orphaned(table, deployment.owner, one)]:
        endpoints.disable(table, orphan, clock.now_ms())
        enabled.remove(orphan)
    made = sum(deliveries.make(table, one, clock.now_ms(), more) for one in enabled)
    sending = Round(table, outbound, clock, more)
    sending.run()
    return Delivered(made=made, delivered=sending.delivered, failed=sending.failed)
