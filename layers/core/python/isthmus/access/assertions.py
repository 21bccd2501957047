"""A DID asks for an access token: a short-lived JWT signed with its key, used once (RFC 7523 section 3).

With a claim `cnf` (RFC 7800, `jkt` of RFC 9449) it asks for a token that is bound to that key. Without it, whoever gets
hold of an assertion before it is used gets a token for a key of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from isthmus.access import jwt
from isthmus.access.did_keys import authentication_key
from isthmus.access.unproven import MAX_AGE_S, check_lifetime, unproven
from isthmus.did.document import MAX_DID_CHARS
from isthmus.ports import DidResolver

TOKEN_PATH = "/v1/auth/token"  # noqa: S105 - a path


@dataclass(frozen=True)
class Assertion:
    """Who asserted it and when, and under which id it may be used once until it expires (seconds since the epoch).

    `bound_to` is the thumbprint of the only key that a token may be given for; empty when it does not say.
    """

    did: str
    issued_s: int
    use_id: str
    expires_s: int
    bound_to: str = ""


def verify(text: str, origin: str, now_s: int, resolver: DidResolver) -> Assertion:
    """Check an assertion; that it is used once is left to the caller.

    Args:
        text: the compact JWT.
        origin: scheme and authority of this API; the audience is it, or it with the token endpoint's path.
        now_s: the time, in seconds since the epoch.
        resolver: who knows the DID's keys.

    Raises:
        Unauthenticated: it is not an assertion of this DID, for us, now.
    """
    found = jwt.read(text, "assertion")
    issued_s, expires_s = found.seconds("iat"), found.seconds("exp")
    check_lifetime("assertion", issued_s, expires_s, now_s)
    if found.claims.get("aud") not in (origin, origin + TOKEN_PATH):
        raise unproven("audience", "The assertion is meant for somebody else.", "Set aud to this API's origin.")
    issuer, id_ = found.text("iss", MAX_DID_CHARS), found.text("jti")
    if found.claims.get("sub") != issuer:
        raise unproven("issuer", "The assertion's sub is not its iss.", "Set both to the caller's DID.")
    did, key = authentication_key(resolver, found.key_id(), "assertion")
    if did != issuer:
        raise unproven("issuer", "The assertion's key is not its issuer's.", "Sign with a key of the DID in iss.")
    jwt.verify(found, key)
    return Assertion(did, issued_s, f"{did} {id_}", issued_s + MAX_AGE_S, _bound_to(found))


def _bound_to(found: jwt.Jwt) -> str:
    if "cnf" not in found.claims:
        return ""
    confirmation = found.claims["cnf"]
    thumbprint = confirmation.get("jkt") if isinstance(confirmation, Mapping) else None
    if not isinstance(thumbprint, str) or len(thumbprint) != jwt.THUMBPRINT_CHARS:
        raise unproven("claims", "The assertion's claim cnf is not what it must be.")
    return thumbprint
