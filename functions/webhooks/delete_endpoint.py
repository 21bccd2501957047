"""Call somebody no more."""

from isthmus.failure import NotFound, Unavailable
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Clock, Table
from isthmus.webhooks import endpoints
from isthmus.webhooks.views import EndpointView, OfEndpoint, endpoint_view


@operation("DELETE /v1/webhooks/endpoints/{endpoint_id}", effect=Effect.CHANGE, errors=(NotFound, Unavailable))
def delete_endpoint(request: OfEndpoint, caller: Caller, table: Table, clock: Clock) -> EndpointView:
    """Forget an endpoint of the caller's tenant; what waits for it is never sent."""
    found = endpoints.owned(table, caller.tenant, request.endpoint_id)
    endpoints.delete(table, found)
    return endpoint_view(found, clock.now_ms())
