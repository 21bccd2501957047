"""Access tokens: JWTs that carry all there is to know of a caller, bound to a key (RFC 9068, RFC 9449)."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from isthmus.access import jwt
from isthmus.access.caller import ROLES, Caller
from isthmus.access.unproven import MAX_SKEW_S, unproven
from isthmus.did.document import MAX_DID_CHARS
from isthmus.did.keys import public_key
from isthmus.ports import TokenKeys, TokenSigner

LIFETIME_S = 300
"""Revocation and a DID's change of keys take effect within this time."""

_ANOTHER = "Get a token from POST /v1/auth/token."
_MAX_CACHED = 1024


@dataclass(frozen=True)
class Token:
    """The caller, and the thumbprint of the key that a request's proof must be made with."""

    caller: Caller
    thumbprint: str


def issue(signer: TokenSigner, caller: Caller, origin: str, thumbprint: str, now_s: int) -> str:
    """A token that lets whoever proves to hold the key be this caller for 300 seconds.

    Args:
        signer: who signs.
        caller: who was authenticated.
        origin: scheme and authority of this API: who issues the token and who accepts it.
        thumbprint: of the key that the proofs will be made with.
        now_s: the time, in seconds since the epoch.
    """
    return signer.sign(
        {
            "iss": origin,
            "aud": origin,
            "sub": caller.id,
            "client_id": caller.id,
            "iat": now_s,
            "exp": now_s + LIFETIME_S,
            "jti": secrets.token_urlsafe(16),
            "auth_time": caller.authenticated_ms // 1000,
            "role": caller.role,
            "tenant": caller.tenant,
            "scope": " ".join(caller.scopes),
            "max_msat": str(caller.max_msat),
            "cnf": {"jkt": thumbprint},
        }
    )


def verify(text: str, origin: str, now_s: int, keys: TokenKeys) -> Token:
    """The caller a token stands for.

    Raises:
        Unauthenticated: it is not a token of ours, for this API, now.
    """
    public = tuple((kid, tuple(jwk.items())) for kid, jwk in keys.public().items())
    found = _genuine(text, public)
    issued_s, expires_s = found.seconds("iat"), found.seconds("exp")
    if expires_s <= now_s:
        raise unproven("token-expired", "The access token has expired.", _ANOTHER)
    if issued_s > now_s + MAX_SKEW_S or expires_s > issued_s + LIFETIME_S:
        raise unproven("not-yet", "The access token is from the future, or lives too long.", _ANOTHER)
    if found.claims.get("iss") != origin:
        raise unproven("issuer", "The access token was issued by somebody else.", _ANOTHER)
    if found.claims.get("aud") != origin:
        raise unproven("audience", "The access token is meant for somebody else.", _ANOTHER)
    return Token(_caller(found), _thumbprint(found.claims.get("cnf")))


@lru_cache(_MAX_CACHED)
def _genuine(text: str, public: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]) -> jwt.Jwt:
    """What stands in a token that one of these keys signed; a caller's next request finds it checked already."""
    found = jwt.read(text, "token")
    jwk = dict(public).get(found.key_id())
    if jwk is None:
        raise unproven("key", "The access token is signed with a key that is not, or no longer, ours.", _ANOTHER)
    jwt.verify(found, public_key(dict(jwk)))
    return found


def _caller(found: jwt.Jwt) -> Caller:
    """The caller in the claims.

    Raises:
        Unauthenticated: a claim is not what `issue` writes.
    """
    role, amount, scope = found.text("role"), found.text("max_msat"), found.claims.get("scope")
    if role not in ROLES or not amount.isascii() or not amount.isdigit() or not isinstance(scope, str):
        raise unproven("claims", "The access token's claims are not what they must be.", _ANOTHER)
    return Caller(
        "did",
        found.text("sub", MAX_DID_CHARS),
        role,
        found.text("tenant"),
        tuple(scope.split()),
        found.seconds("auth_time") * 1000,
        int(amount),
    )


def _thumbprint(confirmation: Any) -> str:
    thumbprint = confirmation.get("jkt") if isinstance(confirmation, Mapping) else None
    if not isinstance(thumbprint, str) or len(thumbprint) != jwt.THUMBPRINT_CHARS:
        raise unproven("claims", "The access token is not bound to a key.", _ANOTHER)
    return thumbprint
