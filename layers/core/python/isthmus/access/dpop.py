"""Proof that a request's sender holds a key: one JWT for one method and URL, used once (RFC 9449 section 4)."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from isthmus import base64url
from isthmus.access import jwt
from isthmus.access.unproven import MAX_AGE_S, check_fresh, unproven
from isthmus.did.keys import PublicKey, public_key
from isthmus.failure import Invalid

MAX_URL_CHARS = 2048
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True)
class Proof:
    """The thumbprint of the key that made it, and under which id it may be used once until it expires."""

    thumbprint: str
    use_id: str
    expires_s: int


def verify(text: str, method: str, url: str, now_s: int, access_token: str | None = None) -> Proof:
    """Check a proof; that it is used once is left to the caller.

    Args:
        text: the compact JWT in the header `DPoP`.
        method: the request's method.
        url: the request's URL; its query is not looked at, and its path may be percent-encoded or not.
        now_s: the time, in seconds since the epoch.
        access_token: the token it comes with, whose hash must stand in it; None where there is no token yet.

    Raises:
        Unauthenticated: it is no proof for this request, by the key in it, now.
    """
    found = jwt.read(text, "proof")
    issued_s, id_ = found.seconds("iat"), found.text("jti")
    check_fresh("proof", issued_s, now_s)
    if found.claims.get("htm") != method:
        raise unproven("proof-mismatch", "The proof's htm is not the request's method.")
    claimed = found.text("htu", MAX_URL_CHARS)
    target = None if "?" in claimed or "#" in claimed else _target(claimed)
    if target is None or target != _target(url):
        raise unproven("proof-mismatch", "The proof's htu is not the request's URL without its query.")
    if access_token is not None and not _is_hash(found.claims.get("ath"), access_token):
        raise unproven("proof-mismatch", "The proof's ath is not the hash of the access token.")
    key = _key(found.header["jwk"])
    jwt.verify(found, key)
    return Proof(key.thumbprint, f"{key.thumbprint} {id_}", issued_s + MAX_AGE_S)


def token_hash(access_token: str) -> str:
    """The claim `ath`: SHA-256 of the token in base64url."""
    return base64url.encode(hashlib.sha256(access_token.encode()).digest())


def _is_hash(claimed: Any, access_token: str) -> bool:
    return isinstance(claimed, str) and hmac.compare_digest(claimed.encode(), token_hash(access_token).encode())


def _key(jwk: Any) -> PublicKey:
    """The key in the header; a JWK with anything else in it than a key's own members is refused."""
    if not isinstance(jwk, dict):
        raise unproven("key", "The proof's jwk is not a JWK.")
    try:
        key = public_key(jwk)
    except Invalid as error:
        raise unproven("key", f"The proof's key is refused. {error.detail}", error.next_step) from error
    if any(not isinstance(value, str) or len(value) > jwt.MAX_ID_CHARS for value in jwk.values()):
        raise unproven("key", "The proof's jwk has members that a public key has not.")
    return key


def _target(url: str) -> tuple[str, str] | None:
    """Origin and path in the form in which two spellings of the same are equal (RFC 3986 sections 6.2.2 and 6.2.3)."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    scheme, authority = parts.scheme.lower(), parts.netloc.lower()
    return f"{scheme}://{authority.removesuffix(_DEFAULT_PORTS.get(scheme, ''))}", unquote(parts.path) or "/"
