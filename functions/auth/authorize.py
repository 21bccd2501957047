"""Find out who sends a request: the authorizer of all routes that are not public."""

from typing import Annotated

from pydantic import Field

from isthmus.access.authentication import Known, Sent, authenticate
from isthmus.access.caller import Kind, Role, to_context
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Clock, Deployment, DidResolver, Table, TokenKeys

Text = Annotated[str, Field(max_length=10_240)]
"""As long as API Gateway lets a request's line and headers be together."""


class Authorize(Request):
    """A request as API Gateway tells it its authorizer, without its body."""

    method: str = Field(max_length=32)
    path: Text
    query: Text
    headers: dict[str, Text] = Field(max_length=200)
    request_id: str = Field(max_length=256)


class Authorized(Response):
    """Who sends it; nothing at all when the request does not say."""

    kind: Kind | None = None
    id: str | None = None
    role: Role | None = None
    tenant: str | None = None
    scopes: tuple[str, ...] | None = None
    authenticated_ms: int | None = None
    max_msat: str | None = None


@operation(effect=Effect.CHANGE, service="authorizer", timeout_s=10)
def authorize(
    request: Authorize,
    table: Table,
    keys: TokenKeys,
    resolver: DidResolver,
    deployment: Deployment,
    clock: Clock,
) -> Authorized:
    """Find out who sends a request, from its access token, its signature or its API key."""
    sent = Sent(request.method, request.path, request.query, request.headers)
    caller = authenticate(sent, Known(table, keys, resolver, deployment, clock))
    return Authorized() if caller is None else Authorized.model_validate(to_context(caller))
