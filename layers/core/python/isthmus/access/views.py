"""What the operations on access answer."""

from pydantic import Field

from isthmus.access.principals import Principal
from isthmus.fields import Did, Msat, Response, TenantName


class PrincipalView(Response):
    """A DID that may call, and what it was given."""

    did: Did
    role: str = Field(description="owner, operator, auditor or client")
    tenant: TenantName = Field(description="whose things it may see and use")
    scopes: tuple[str, ...] = Field(description="`<domain>:<effect>`; `*` is all that the role permits")
    max_msat: Msat = Field(description="the most that one request may spend, in millisatoshi")
    day_msat: Msat = Field(description="the most that all requests of a day may spend, in millisatoshi")
    hour_count: int = Field(description="how many requests that spend it may make in an hour")
    created_ms: int = Field(description="when it was given this, in milliseconds since the epoch")
    created_by: str = Field(description="the DID that gave it")


def view(principal: Principal) -> PrincipalView:
    """A principal as it is shown."""
    return PrincipalView.model_validate(principal, from_attributes=True)
