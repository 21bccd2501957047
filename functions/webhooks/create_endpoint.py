"""Let somebody be called about what happens."""

from pydantic import Field

from isthmus import feed
from isthmus.failure import Limited, Unavailable
from isthmus.fields import Request
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Clock, Outbound, Table
from isthmus.webhooks import endpoints
from isthmus.webhooks.views import EndpointWithSecret, Topic, with_secret


class CreateEndpoint(Request):
    """Who wants to be called, and about what."""

    url: str = Field(min_length=10, max_length=2048, description="https, the name of a public host, the usual port")
    topics: list[Topic] = Field(default=[], max_length=50, description="what it is called about; none means all")


@operation("POST /v1/webhooks/endpoints", effect=Effect.CHANGE, status=201, errors=(Limited, Unavailable))
def create_endpoint(
    request: CreateEndpoint, caller: Caller, table: Table, clock: Clock, outbound: Outbound
) -> EndpointWithSecret:
    """Call an address about every event of the caller's tenant from now on; its secret is shown this once."""
    outbound.check(request.url)
    now_ms = clock.now_ms()
    made = endpoints.create(table, caller, request.url, tuple(request.topics), start=feed.end(table), now_ms=now_ms)
    return with_secret(made, now_ms)
