"""What a caller may spend, wherever that stands."""

from dataclasses import astuple, replace

from isthmus.access import api_keys, principals
from isthmus.access.budgets import NOTHING, Limits
from isthmus.access.caller import Caller
from isthmus.storage.table import Table


def limits_of(table: Table, owner_did: str, caller: Caller) -> Limits:
    """The limits of a caller as they stand now: a DID's as it was granted them, a key's within those of its maker.

    A proof may allow less per request than that. Whoever is neither, or not any more, may spend nothing.
    """
    limits = _granted(table, owner_did, caller)
    return replace(limits, max_msat=min(limits.max_msat, caller.max_msat))


def _granted(table: Table, owner_did: str, caller: Caller) -> Limits:
    if caller.kind == "did":
        return _of_did(table, owner_did, caller.id)
    key = api_keys.find(table, caller.id) if caller.kind == "key" else None
    if key is None or key.revoked_ms:
        return NOTHING
    own, most = key.limits, _of_did(table, owner_did, key.created_by)
    return Limits(*map(min, astuple(own), astuple(most)))


def _of_did(table: Table, owner_did: str, did: str) -> Limits:
    principal = principals.find(table, owner_did, did)
    return Limits(principal.max_msat, principal.day_msat, principal.hour_count) if principal else NOTHING
