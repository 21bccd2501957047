"""What a caller may spend, wherever that stands."""

from isthmus.access import api_keys, principals
from isthmus.access.budgets import NOTHING, Limits
from isthmus.access.caller import Caller
from isthmus.storage.table import Table


def limits_of(table: Table, owner_did: str, caller: Caller) -> Limits:
    """The limits of a caller as they stand now: a DID's as it was granted them, an API key's own.

    A proof may allow less per request than that. Whoever is neither, or not any more, may spend nothing.
    """
    limits = _granted(table, owner_did, caller)
    return Limits(min(limits.max_msat, caller.max_msat), limits.day_msat, limits.hour_count)


def _granted(table: Table, owner_did: str, caller: Caller) -> Limits:
    if caller.kind == "key":
        key = api_keys.find(table, caller.id)
        return NOTHING if key is None or key.revoked_ms else key.limits
    principal = principals.find(table, owner_did, caller.id) if caller.kind == "did" else None
    return Limits(principal.max_msat, principal.day_msat, principal.hour_count) if principal else NOTHING
