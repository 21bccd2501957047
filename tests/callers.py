"""Callers of every role, and what the authorizer says of them in an event's `requestContext.authorizer`."""

from typing import Any

from isthmus.access.caller import ANONYMOUS, Caller, to_context
from isthmus.fields import MAX_MSAT

ALL_SCOPES = tuple(
    f"{domain}:{effect}"
    for domain in ("access", "auth", "bitcoin", "faults", "ledger", "pipeline", "platform", "state", "webhooks")
    for effect in ("read", "change", "spend")
)

CALLERS = {
    "owner": Caller("did", "did:key:zOwner", "owner", scopes=("*",), max_msat=MAX_MSAT),
    "operator": Caller("did", "did:key:zOperator", "operator", scopes=ALL_SCOPES),
    "auditor": Caller("did", "did:key:zAuditor", "auditor", scopes=ALL_SCOPES),
    "client": Caller("did", "did:key:zClient", "client", scopes=ALL_SCOPES),
    "anonymous": ANONYMOUS,
}


def authorizer(caller: Caller) -> dict[str, Any]:
    """What stands in `requestContext.authorizer` for a caller."""
    return {} if caller is ANONYMOUS else {"lambda": to_context(caller)}


OWNER = authorizer(CALLERS["owner"])
