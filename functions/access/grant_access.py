"""Let a DID call."""

from typing import Literal

from pydantic import Field

from isthmus.access import actions, principals, scopes
from isthmus.access.principals import MAX_HOUR_COUNT, Principal
from isthmus.access.views import PrincipalView, Scopes, view
from isthmus.failure import Conflict, Forbidden, Unavailable
from isthmus.fields import Did, Msat, Request, TenantName
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Clock, Deployment, Table


class GrantAccess(Request):
    """Who may call from now on, as what, and within which limits."""

    did: Did
    role: Literal["owner", "operator", "auditor", "client"] = Field(description="what the policies go by")
    tenant: TenantName | None = Field(default=None, description="whose things it may see; without it: the caller's own")
    scopes: Scopes | None = Field(
        default=None, description="`<domain>:<effect>` or `*`; without it: what is usual for the role"
    )
    max_msat: Msat = Field(default=0, description="the most that one request may spend, in millisatoshi")
    day_msat: Msat = Field(default=0, description="the most that all requests of a day may spend, in millisatoshi")
    hour_count: int = Field(
        default=0, ge=0, le=MAX_HOUR_COUNT, description="how many requests that spend it may make in an hour"
    )

    def for_tenant(self) -> str | None:
        """The tenant that the DID is to belong to."""
        return self.tenant


@operation("POST /v1/access/principals", effect=Effect.CHANGE, errors=(Conflict, Forbidden, Unavailable))
def grant_access(
    request: GrantAccess, caller: Caller, table: Table, clock: Clock, deployment: Deployment
) -> PrincipalView:
    """Let a DID call with a role, scopes and limits; what it had before is replaced."""
    given = Principal(
        did=request.did,
        role=request.role,
        tenant=request.tenant or caller.tenant,
        scopes=actions.existing(request.scopes) if request.scopes is not None else scopes.DEFAULTS[request.role],
        max_msat=request.max_msat,
        day_msat=request.day_msat,
        hour_count=request.hour_count,
        created_ms=clock.now_ms(),
        created_by=caller.id,
    )
    return view(principals.grant(table, deployment.owner, given, caller))
