"""What an API key was used for."""

from pydantic import Field

from isthmus.access import api_keys
from isthmus.access.key_views import OfKey
from isthmus.failure import NotFound, Unavailable
from isthmus.fields import Response
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Table


class ListKeyUsage(OfKey):
    """Which page of which key's uses."""

    limit: int = Field(default=50, ge=1, le=200, description="how many")
    after: str | None = Field(
        default=None, pattern=r"^[0-9]{13}-[0-9a-f]{16}$", description="go on after this, as the page before says"
    )


class UseView(Response):
    """One authenticated call."""

    at_ms: int = Field(description="when, in milliseconds since the epoch")
    used_for: str = Field(description="method and path")


class KeyUsage(Response):
    """Calls, the newest first."""

    uses: tuple[UseView, ...]
    after: str | None = Field(description="ask again with this for the next page; null when there is none")


@operation("GET /v1/access/keys/{key_id}/usage", effect=Effect.READ, errors=(NotFound, Unavailable))
def list_key_usage(request: ListKeyUsage, caller: Caller, table: Table) -> KeyUsage:
    """The calls that were made with an API key within the last 90 days."""
    found, after = api_keys.uses(table, caller.tenant, request.key_id, request.limit, request.after)
    return KeyUsage(uses=tuple(UseView(at_ms=one.at_ms, used_for=one.used_for) for one in found), after=after)
