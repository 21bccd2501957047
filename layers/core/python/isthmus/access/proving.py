"""The caller's side: keys, and the proofs that the authorizer asks for.

The command line signs with it, and so do the tests; a caller in another language does the same with its own libraries.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from isthmus.access import dpop as proofs
from isthmus.access import jwt, signatures
from isthmus.access.unproven import MAX_AGE_S
from isthmus.content_digest import digest
from isthmus.did import key as did_key
from isthmus.did import keys
from isthmus.did.keys import Algorithm
from isthmus.failure import Invalid

_NONCE_BYTES = 16


@dataclass(frozen=True)
class PrivateKey:
    """A DID, the DID URL of its key, and the key."""

    did: str
    key_id: str
    secret: keys.PrivateKey = field(repr=False)

    def to_jwk(self) -> dict[str, str]:
        """The private JWK: a secret."""
        return self.secret.jwk()


def new_key(algorithm: Algorithm = "EdDSA") -> PrivateKey:
    """A fresh did:key and its private key."""
    return _named(keys.new_private_key(algorithm))


def from_jwk(jwk: Mapping[str, Any]) -> PrivateKey:
    """The did:key of a private JWK.

    Raises:
        ValueError: it is no private JWK of a key that is used here.
    """
    try:
        return _named(keys.private_key(jwk))
    except Invalid as error:
        raise ValueError("no private JWK") from error


def assertion(key: PrivateKey, audience: str, now_s: int, bound: PrivateKey | None = None) -> str:
    """What POST /v1/auth/token asks for (RFC 7523): this DID, for this origin, good for 60 seconds, once.

    The token is for the proofs of `bound`, or of the same key, and for nobody else's.
    """
    claims = {
        "iss": key.did,
        "sub": key.did,
        "aud": audience,
        "iat": now_s,
        "exp": now_s + MAX_AGE_S,
        "jti": secrets.token_urlsafe(_NONCE_BYTES),
        "cnf": {"jkt": (bound or key).secret.public.thumbprint},
    }
    return jwt.signed("assertion", {"kid": key.key_id}, claims, key.secret)


def dpop(key: PrivateKey, method: str, url: str, now_s: int, access_token: str | None = None) -> str:
    """The header `DPoP` of one request (RFC 9449), with the access token it will carry if there is one."""
    claims: dict[str, Any] = {
        "htm": method,
        "htu": url.partition("#")[0].partition("?")[0],
        "iat": now_s,
        "jti": secrets.token_urlsafe(_NONCE_BYTES),
    }
    if access_token is not None:
        claims["ath"] = proofs.token_hash(access_token)
    return jwt.signed("proof", {"jwk": dict(key.secret.public.jwk)}, claims, key.secret)


def signed_headers(key: PrivateKey, method: str, url: str, body: bytes, now_s: int) -> dict[str, str]:
    """The headers of one request that is signed as a whole (RFC 9421), good for 60 seconds, once."""
    parts = urlsplit(url)
    headers = {} if method in ("GET", "DELETE") else {signatures.DIGEST: digest(body)}
    origin = f"{parts.scheme}://{parts.netloc}"
    request = signatures.message(method, origin, unquote(parts.path), parts.query, headers)
    nonce = secrets.token_urlsafe(_NONCE_BYTES)
    return headers | signatures.sign(request, key.secret, key.key_id, now_s, nonce)


def _named(secret: keys.PrivateKey) -> PrivateKey:
    did = did_key.did_of(secret.public)
    return PrivateKey(did, f"{did}#{did.removeprefix('did:key:')}", secret)
