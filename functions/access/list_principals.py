"""Who may call."""

from pydantic import Field

from isthmus.access import principals
from isthmus.access.caller import MAIN_TENANT
from isthmus.access.views import PrincipalView, view
from isthmus.failure import Unavailable
from isthmus.fields import Did, Request, Response, TenantName
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Deployment, Table


class ListPrincipals(Request):
    """Which page of them."""

    tenant: TenantName | None = Field(default=None, description="whose; without it: the caller's own")
    after: Did | None = Field(default=None, description="go on after this DID, as the page before says")
    limit: int = Field(default=50, ge=1, le=200, description="how many")

    def for_tenant(self) -> str | None:
        """The tenant that they belong to."""
        return self.tenant


class Principals(Response):
    """Principals in the order of their DIDs."""

    owner: str | None = Field(
        description="the deployment's owner, who needs no grant; null for other tenants than main"
    )
    principals: tuple[PrincipalView, ...]
    after: str | None = Field(description="ask again with this for the next page; null when there is none")


@operation("GET /v1/access/principals", effect=Effect.READ, errors=(Unavailable,))
def list_principals(request: ListPrincipals, caller: Caller, table: Table, deployment: Deployment) -> Principals:
    """The DIDs that may call for a tenant, and what each was given."""
    tenant = request.tenant or caller.tenant
    found, after = principals.listed(table, tenant, after=request.after, limit=request.limit)
    return Principals(
        owner=deployment.owner if tenant == MAIN_TENANT else None,
        principals=tuple(view(one) for one in found),
        after=after,
    )
