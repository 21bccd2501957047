"""What the operations on access are asked and answer."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from isthmus.access.principals import Principal
from isthmus.access.scopes import MAX_SCOPES
from isthmus.fields import Did, Msat, Response, TenantName


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Scopes = Annotated[
    tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=MAX_SCOPES), BeforeValidator(_tuple)
]
"""Scopes as JSON has them: requests are read strictly, and a strict tuple is no array."""


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
