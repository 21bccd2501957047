"""Who is called about what."""

from isthmus.failure import Unavailable
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Clock, Table
from isthmus.webhooks import endpoints
from isthmus.webhooks.views import EndpointView, endpoint_view


class ListEndpoints(Request):
    """Nothing to say."""


class Endpoints(Response):
    """The endpoints of a tenant; there are few."""

    endpoints: tuple[EndpointView, ...]


@operation("GET /v1/webhooks/endpoints", effect=Effect.READ, errors=(Unavailable,))
def list_endpoints(request: ListEndpoints, caller: Caller, table: Table, clock: Clock) -> Endpoints:
    """The endpoints of the caller's tenant, without their secrets."""
    found = endpoints.of_tenant(table, caller.tenant)
    return Endpoints(endpoints=tuple(endpoint_view(one, clock.now_ms()) for one in found))
