"""Let a DID call no more."""

from pydantic import Field

from isthmus.access import principals
from isthmus.access.views import PrincipalView, view
from isthmus.failure import Conflict, Forbidden, NotFound, Unavailable
from isthmus.fields import Did, Request, TenantName
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Deployment, Table


class RevokeAccess(Request):
    """Whom to take it from."""

    did: Did
    tenant: TenantName | None = Field(default=None, description="the DID's tenant; without it: the caller's own")

    def for_tenant(self) -> str | None:
        """The tenant that the DID belongs to."""
        return self.tenant


@operation(
    "DELETE /v1/access/principals/{did}", effect=Effect.CHANGE, errors=(Conflict, Forbidden, NotFound, Unavailable)
)
def revoke_access(request: RevokeAccess, caller: Caller, table: Table, deployment: Deployment) -> PrincipalView:
    """Take from a DID all that it was given; a token that it holds still counts for up to five minutes."""
    tenant = request.tenant or caller.tenant
    return view(principals.revoke(table, deployment.owner, tenant, request.did, caller))
