"""Change what calls are signed with."""

from isthmus.failure import Conflict, NotFound, Unavailable
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Clock, Table
from isthmus.webhooks import endpoints
from isthmus.webhooks.views import EndpointWithSecret, OfEndpoint, with_secret


@operation(
    "POST /v1/webhooks/endpoints/{endpoint_id}/rotate",
    effect=Effect.CHANGE,
    errors=(Conflict, NotFound, Unavailable),
)
def rotate_secret(request: OfEndpoint, caller: Caller, table: Table, clock: Clock) -> EndpointWithSecret:
    """Give an endpoint a new secret, shown this once; for a day calls are signed with the one before as well."""
    now_ms = clock.now_ms()
    found = endpoints.owned(table, caller.tenant, request.endpoint_id)
    return with_secret(endpoints.rotate(table, found, now_ms), now_ms)
