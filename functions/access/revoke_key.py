"""Revoke an API key."""

from isthmus.access import api_keys
from isthmus.access.key_views import KeyView, OfKey, view
from isthmus.failure import NotFound, Unavailable
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Clock, Table


@operation("DELETE /v1/access/keys/{key_id}", effect=Effect.CHANGE, errors=(NotFound, Unavailable))
def revoke_key(request: OfKey, caller: Caller, table: Table, clock: Clock) -> KeyView:
    """Revoke an API key from the next call on; one that is revoked stays as it is."""
    now_ms = clock.now_ms()
    return view(api_keys.revoke(table, caller.tenant, request.key_id, now_ms), now_ms)
