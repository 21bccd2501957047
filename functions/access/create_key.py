"""Make an API key."""

from pydantic import Field

from isthmus.access import actions, api_keys
from isthmus.access.api_keys import DEFAULT_DAYS, MAX_DAYS, Wish
from isthmus.access.budgets import Limits
from isthmus.access.key_views import ApiKey, KeyRole, KeyView, view
from isthmus.access.principals import MAX_HOUR_COUNT
from isthmus.access.views import Scopes
from isthmus.failure import Conflict, Forbidden, Limited, Unavailable
from isthmus.fields import Msat, Request
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Clock, Deployment, Table


class CreateKey(Request):
    """What the key is called, and what it may do."""

    name: str = Field(min_length=1, max_length=64, description="what it is for, to tell it from others")
    role: KeyRole = Field(default="client", description="what the policies go by; not above the caller's own")
    scopes: Scopes = Field(min_length=1, description="`<domain>:<effect>` of those the caller has, or `*` for all")
    expires_in_days: int = Field(default=DEFAULT_DAYS, ge=1, le=MAX_DAYS, description="when it ends")
    max_msat: Msat = Field(default=0, description="the most that one request may spend, in millisatoshi")
    day_msat: Msat = Field(default=0, description="the most that may be spent in a rolling day, in millisatoshi")
    hour_count: int = Field(
        default=0, ge=0, le=MAX_HOUR_COUNT, description="how many requests may spend in a rolling hour"
    )


class CreatedKey(KeyView):
    """The key, this once with its secret."""

    api_key: ApiKey


@operation("POST /v1/access/keys", effect=Effect.CHANGE, errors=(Conflict, Forbidden, Limited, Unavailable), status=201)
def create_key(request: CreateKey, caller: Caller, table: Table, clock: Clock, deployment: Deployment) -> CreatedKey:
    """Make an API key for the caller's tenant, and show it this once."""
    now_ms = clock.now_ms()
    wish = Wish(
        name=request.name,
        role=request.role,
        scopes=actions.existing(request.scopes),
        days=request.expires_in_days,
        limits=Limits(request.max_msat, request.day_msat, request.hour_count),
    )
    key, api_key = api_keys.create(table, deployment.owner, caller, wish, now_ms)
    return CreatedKey(**dict(view(key, now_ms)), api_key=api_key)
