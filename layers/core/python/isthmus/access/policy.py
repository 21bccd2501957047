"""May this caller do this? One question to the Cedar policies, parsed once per process.

The policies stand in infra/policies/ and come into the library as policies.cedar. Nothing is allowed that no policy
permits. Source: Cedar policy language reference, https://docs.cedarpolicy.com, evaluated by `cedarpy`.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.access.caller import Caller

if TYPE_CHECKING:
    from cedarpy import PolicySet

POLICIES = Path(__file__).with_name("policies.cedar")


@dataclass(frozen=True)
class Action:
    """What is asked for: an operation, as the policies see it.

    `groups` are the action groups it is in: its effect (`read`, `change`, `spend`), its domain, and `routed`,
    `scheduled`, `returned` or `public` by how it may be reached.
    """

    name: str
    scope: str
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """Whether it is allowed, and the ids of the policies that say so; none of them when nothing permits it."""

    allowed: bool
    policies: tuple[str, ...]


def decide(caller: Caller, action: Action, *, now_ms: int, tenant: str | None = None, amount_msat: int = 0) -> Decision:
    """Ask the policies.

    Args:
        caller: who asks.
        action: for what.
        now_ms: the time, from which the age of the authentication follows.
        tenant: whose things it is about; the caller's own without it.
        amount_msat: the most it may spend, in millisatoshi.
    """
    from cedarpy import is_authorized

    request = {
        "principal": {"type": "Caller", "id": caller.id},
        "action": {"type": "Action", "id": action.name},
        "resource": {"type": "Tenant", "id": caller.tenant if tenant is None else tenant},
        "context": {
            "scope": action.scope,
            "amount_msat": amount_msat,
            "auth_age_s": max(0, now_ms - caller.authenticated_ms) // 1000,
        },
    }
    principal = {
        "uid": {"type": "Caller", "id": caller.id},
        "attrs": {
            "kind": caller.kind,
            "tenant": {"__entity": {"type": "Tenant", "id": caller.tenant}},
            "scopes": list(caller.scopes),
            "max_msat": caller.max_msat,
        },
        "parents": [{"type": "Role", "id": caller.role}],
    }
    asked: dict[str, Any] = {
        "uid": {"type": "Action", "id": action.name},
        "attrs": {},
        "parents": [{"type": "Action", "id": group} for group in action.groups],
    }
    answer = is_authorized(request, _policies(), [principal, asked])
    return Decision(answer.allowed, tuple(sorted(answer.diagnostics.reasons)))


@cache
def _policies() -> "PolicySet":
    from cedarpy import PolicySet

    return PolicySet.from_str(POLICIES.read_text())
