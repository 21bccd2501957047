"""Who asks, as a value that the authorizer hands to the operation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["did", "key", "execution", "schedule", "letter", "anonymous"]
"""A DID, an API key, a state machine's execution, a schedule, the return of an event that failed, or nobody known."""

Role = Literal["owner", "operator", "auditor", "client", "system", "anonymous"]
ROLES: tuple[Role, ...] = ("owner", "operator", "auditor", "client", "system", "anonymous")

MAIN_TENANT = "main"


@dataclass(frozen=True)
class Caller:
    """Who asks: established before the operation runs.

    Args:
        kind: how we know.
        id: the DID, the API key's id, the execution's ARN, the schedule's name.
        role: what the policies go by.
        tenant: whose things the caller may see and use.
        scopes: `<domain>:<effect>` pairs the caller was given, such as `bitcoin:read`; only policies of roles that
            ask for scopes look at them.
        authenticated_ms: when the caller proved who it is, in milliseconds since the epoch.
        max_msat: the most that one request of the caller may spend, in millisatoshi.
    """

    kind: Kind
    id: str
    role: Role
    tenant: str = MAIN_TENANT
    scopes: tuple[str, ...] = ()
    authenticated_ms: int = 0
    max_msat: int = 0


ANONYMOUS = Caller("anonymous", "", "anonymous")


def to_context(caller: Caller) -> dict[str, Any]:
    """What the authorizer tells the operation; API Gateway passes on text, numbers and lists of text."""
    return {
        "kind": caller.kind,
        "id": caller.id,
        "role": caller.role,
        "tenant": caller.tenant,
        "scopes": list(caller.scopes),
        "authenticated_ms": caller.authenticated_ms,
        "max_msat": str(caller.max_msat),
    }


def from_context(context: Mapping[str, Any]) -> Caller:
    """The caller that the authorizer established."""
    return Caller(
        kind=context["kind"],
        id=context["id"],
        role=context["role"],
        tenant=context["tenant"],
        scopes=tuple(context["scopes"]),
        authenticated_ms=int(context["authenticated_ms"]),
        max_msat=int(context["max_msat"]),
    )
