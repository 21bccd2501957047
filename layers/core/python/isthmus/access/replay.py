"""Single use: what was seen once is refused from then on."""

import hashlib

from isthmus.access.unproven import unproven
from isthmus.failure import Conflict
from isthmus.storage.table import Absent, Table

MARGIN_S = 60
"""How much longer than a proof its item is kept: clocks differ, and no proof is refused only for being old here."""


def once(table: Table, kind: str, id_: str, expires_s: int) -> None:
    """Take note of an id, which nobody may use again until it is too old anyhow.

    Args:
        table: where the notes are; an item is deleted by its `expires_at` (seconds since the epoch).
        kind: what the id is of, and therefore never mixed up with; without a space.
        id_: what may be used once, of any length.
        expires_s: when nothing with this id is accepted any more, in seconds since the epoch.

    Raises:
        Unauthenticated: the id was used before.
        Unavailable: the store did not answer; then nothing is accepted.
    """
    name = hashlib.sha256(f"{kind} {id_}".encode()).hexdigest()
    try:
        table.put(f"access/once/{name}", "-", {"expires_at": expires_s + MARGIN_S}, when=Absent())
    except Conflict as seen:
        raise unproven(f"{kind}-replayed", f"This {kind} was used before; each serves one request.") from seen
