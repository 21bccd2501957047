"""Call somebody again who was given up."""

from isthmus.failure import Conflict, NotFound, Unavailable
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Clock, Table
from isthmus.webhooks import endpoints
from isthmus.webhooks.views import EndpointView, OfEndpoint, endpoint_view


@operation(
    "POST /v1/webhooks/endpoints/{endpoint_id}/enable",
    effect=Effect.CHANGE,
    errors=(Conflict, NotFound, Unavailable),
)
def enable_endpoint(request: OfEndpoint, caller: Caller, table: Table, clock: Clock) -> EndpointView:
    """Call an endpoint again that was disabled, from where it was: nothing that happened meanwhile is left out."""
    found = endpoints.owned(table, caller.tenant, request.endpoint_id)
    return endpoint_view(endpoints.enable(table, found, caller.id), clock.now_ms())
