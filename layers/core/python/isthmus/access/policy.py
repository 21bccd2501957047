"""May this caller do this? One question to the Cedar policies, parsed once per process.

The policies stand in infra/policies/ and come into the library as policies.cedar. Nothing is allowed that no policy
permits. Source: Cedar policy language reference, https://docs.cedarpolicy.com, evaluated by `cedarpy`.
"""

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from isthmus.access.caller import Caller
from isthmus.failure import Defect

if TYPE_CHECKING:
    from cedarpy import Entities, PolicySet

POLICIES = Path(__file__).with_name("policies.cedar")

MAX_CALLERS = 256
"""How many callers a process keeps as parsed entities; parsing is two thirds of a question's time."""


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
    """Whether it is allowed, and the `@id` of each policy that says so; none when nothing permits it."""

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

    Raises:
        Defect: a policy could not be evaluated. Cedar passes over such a policy, also if it would forbid.
    """
    from cedarpy import is_authorized

    context = {
        "scope": action.scope,
        "amount_msat": amount_msat,
        "auth_age_s": max(0, now_ms - caller.authenticated_ms) // 1000,
    }
    request = {
        "principal": {"type": "Caller", "id": caller.id},
        "action": {"type": "Action", "id": action.name},
        "resource": {"type": "Tenant", "id": caller.tenant if tenant is None else tenant},
        "context": orjson.dumps(context).decode(),
    }
    entities = _entities(caller.kind, caller.id, caller.role, caller.tenant, caller.scopes, caller.max_msat, action)
    answer = is_authorized(request, _policies(), entities)
    if answer.diagnostics.errors:
        raise Defect(
            "The policies could not be evaluated, so nothing is allowed.",
            next_step="Report the instance id; nothing was done.",
            code="access/policies",
        )
    ids = answer.diagnostics.id_annotations_by_reason
    return Decision(answer.allowed, tuple(sorted(ids[reason] for reason in answer.diagnostics.reasons)))


@lru_cache(maxsize=MAX_CALLERS)
def _entities(
    kind: str, id_: str, role: str, tenant: str, scopes: tuple[str, ...], max_msat: int, action: Action
) -> "Entities":
    """All that the policies know of a caller and an action; the key is the whole of it, so nothing here grows old."""
    from cedarpy import Entities

    principal: dict[str, Any] = {
        "uid": {"type": "Caller", "id": id_},
        "attrs": {
            "kind": kind,
            "tenant": {"__entity": {"type": "Tenant", "id": tenant}},
            "scopes": list(scopes),
            "max_msat": max_msat,
        },
        "parents": [{"type": "Role", "id": role}],
    }
    asked: dict[str, Any] = {
        "uid": {"type": "Action", "id": action.name},
        "attrs": {},
        "parents": [{"type": "Action", "id": group} for group in action.groups],
    }
    return Entities.from_json_str(orjson.dumps([principal, asked]).decode())


@cache
def _policies() -> "PolicySet":
    from cedarpy import PolicySet

    return PolicySet.from_str(POLICIES.read_text())
