"""What became of the calls."""

from pydantic import Field

from isthmus.failure import NotFound, Unavailable
from isthmus.fields import Response
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Table
from isthmus.webhooks import deliveries, endpoints
from isthmus.webhooks.deliveries import DeliveryStatus
from isthmus.webhooks.views import DeliveryId, DeliveryView, OfEndpoint, delivery_view


class ListDeliveries(OfEndpoint):
    """Which endpoint, and which page."""

    status: DeliveryStatus | None = Field(default=None, description="only these of the page")
    before: DeliveryId | None = Field(default=None, description="`next` of the page before")
    limit: int = Field(default=50, ge=1, le=200)


class Deliveries(Response):
    """Deliveries of the last 90 days, the newest first."""

    deliveries: tuple[DeliveryView, ...]
    next: str | None = Field(description="ask for it as `before`; null at the end")


@operation("GET /v1/webhooks/endpoints/{endpoint_id}/deliveries", effect=Effect.READ, errors=(NotFound, Unavailable))
def list_deliveries(request: ListDeliveries, caller: Caller, table: Table) -> Deliveries:
    """What an endpoint of the caller's tenant was called about, and what came of it."""
    found = endpoints.owned(table, caller.tenant, request.endpoint_id)
    page, after = deliveries.newest(table, found.endpoint_id, before=request.before, limit=request.limit)
    shown = (one for one in page if request.status in (None, one.status))
    return Deliveries(deliveries=tuple(delivery_view(one) for one in shown), next=after)
