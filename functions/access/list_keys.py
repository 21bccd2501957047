"""The API keys of a tenant."""

from pydantic import Field

from isthmus.access import api_keys
from isthmus.access.key_views import KeyView, view
from isthmus.failure import Unavailable
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Clock, Table


class ListKeys(Request):
    """Which page of them."""

    limit: int = Field(default=50, ge=1, le=200, description="how many")
    after: str | None = Field(
        default=None, pattern=r"^[0-9]{13}-[0-9a-f]{16}$", description="go on after this, as the page before says"
    )


class Keys(Response):
    """API keys, the newest first."""

    keys: tuple[KeyView, ...]
    after: str | None = Field(description="ask again with this for the next page; null when there is none")


@operation("GET /v1/access/keys", effect=Effect.READ, errors=(Unavailable,))
def list_keys(request: ListKeys, caller: Caller, table: Table, clock: Clock) -> Keys:
    """The API keys of the caller's tenant, without their secrets; those that ended are kept for 90 days."""
    found, after = api_keys.newest(table, caller.tenant, request.limit, request.after)
    return Keys(keys=tuple(view(key, clock.now_ms()) for key in found), after=after)
