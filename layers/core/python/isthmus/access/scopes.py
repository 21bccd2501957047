"""Scopes: what a caller was given, as `<domain>:<effect>`, and `*` for all that the role permits."""

from collections.abc import Iterable, Mapping

from isthmus.access.caller import Role

EVERYTHING = "*"
PATTERN = r"^([a-z]+:(read|change|spend)|\*)$"
MAX_SCOPES = 64

DEFAULTS: Mapping[Role, tuple[str, ...]] = {
    "owner": (EVERYTHING,),
    "operator": (EVERYTHING,),
    "auditor": (EVERYTHING,),
    "client": ("bitcoin:read", "pipeline:read", "platform:read"),
    "system": (),
    "anonymous": (),
}
"""What a role is given when nobody says what: the policies bound it anyway, and a client only reads."""


def narrowed(asked: Iterable[str], held: Iterable[str]) -> tuple[str, ...]:
    """Those of the scopes asked for that are held; all that are held when none is asked for (RFC 6749 section 3.3)."""
    has = frozenset(held)
    wanted = frozenset(asked)
    if not wanted or EVERYTHING in wanted:
        return tuple(sorted(has))
    return tuple(sorted(wanted if EVERYTHING in has else wanted & has))
