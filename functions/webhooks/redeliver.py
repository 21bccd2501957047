"""Call somebody again about the same."""

from isthmus.failure import Conflict, NotFound, Precondition, Unavailable
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Clock, Table
from isthmus.webhooks import deliveries, endpoints
from isthmus.webhooks.views import DeliveryId, DeliveryView, OfEndpoint, delivery_view


class Redeliver(OfEndpoint):
    """Which delivery of which endpoint."""

    delivery_id: DeliveryId


@operation(
    "POST /v1/webhooks/endpoints/{endpoint_id}/deliveries/{delivery_id}/redeliver",
    effect=Effect.CHANGE,
    status=202,
    errors=(Conflict, NotFound, Precondition, Unavailable),
)
def redeliver(request: Redeliver, caller: Caller, table: Table, clock: Clock) -> DeliveryView:
    """Try a delivery anew within the next minute, under the same webhook-id, whatever has become of it."""
    found = endpoints.owned(table, caller.tenant, request.endpoint_id)
    if found.status == "disabled":
        raise Precondition(
            "The endpoint is disabled.", next_step="Enable it with enable_endpoint.", code="webhooks/disabled"
        )
    return delivery_view(deliveries.again(table, found, request.delivery_id, clock.now_ms()))
