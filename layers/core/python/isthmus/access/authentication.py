"""Who sends this HTTPS request? One of three proofs, or none at all.

What costs nothing is looked at first, signatures after that, the stores after those, and the note that a proof is used
comes last: nobody fills the table with proofs that do not hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from isthmus.access import api_keys, dpop, principals, signatures, tokens
from isthmus.access.caller import Caller
from isthmus.access.replay import once
from isthmus.access.unproven import unproven
from isthmus.failure import Unauthenticated
from isthmus.ports import Clock, Deployment, DidResolver, Table, TokenKeys
from isthmus.request import origin

_SCHEME = "Send one of: a DPoP access token with its proof, a signature (RFC 9421), or an API key as Bearer."
_KEY_PREFIX = "isk_"


@dataclass(frozen=True)
class Sent:
    """What of a request is proven: the path is decoded, the query is as it was sent, header names are lower-case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Known:
    """What proofs are checked against."""

    table: Table
    keys: TokenKeys
    resolver: DidResolver
    deployment: Deployment
    clock: Clock


def authenticate(sent: Sent, known: Known) -> Caller | None:
    """The caller whom a request proves, or None when it claims nothing.

    Raises:
        Unauthenticated: what it claims is not proven; its code says which kind of thing is wrong.
        Malformed: it says not which host it is for.
        Unavailable: the store did not answer.
    """
    signed = "signature" in sent.headers or "signature-input" in sent.headers
    authorization = sent.headers.get("authorization")
    if authorization is None:
        if "dpop" in sent.headers:
            raise unproven("scheme", "There is a DPoP proof, but no access token.", _SCHEME)
        return _by_signature(sent, known) if signed else None
    if signed:
        raise unproven("scheme", "The request has several proofs.", _SCHEME)
    scheme, _, credential = authorization.partition(" ")
    if scheme.lower() == "dpop":
        return _by_token(sent, credential, known)
    if scheme.lower() == "bearer" and credential.startswith(_KEY_PREFIX) and "dpop" not in sent.headers:
        used_for = f"{sent.method} {sent.path}"
        owner, now_ms = known.deployment.owner, known.clock.now_ms()
        return api_keys.authenticate(known.table, owner, credential, now_ms=now_ms, used_for=used_for)
    raise unproven("scheme", "The header authorization holds no proof that is known here.", _SCHEME)


def known_caller(did: str, known: Known, authenticated_ms: int) -> Caller:
    """The caller behind a DID that proved itself.

    Raises:
        Unauthenticated: nobody gave this DID a role.
    """
    principal = principals.find(known.table, known.deployment.owner, did)
    if principal is None:
        raise unknown_caller()
    return principals.caller_of(principal, authenticated_ms)


def unknown_caller() -> Unauthenticated:
    """The proof holds, but of somebody whom nobody let in."""
    return unproven(
        "unknown-caller", "The DID is proven, but has no role here.", "Ask the owner to grant this DID a role."
    )


def _by_token(sent: Sent, token: str, known: Known) -> Caller:
    proof = sent.headers.get("dpop")
    if proof is None:
        raise unproven("scheme", "The access token comes without a DPoP proof.", "Send a proof in the header DPoP.")
    now_s, at = known.clock.now_ms() // 1000, origin(sent.headers)
    found = tokens.verify(token, at, now_s, known.keys)
    proven = dpop.verify(proof, sent.method, at + quote(sent.path, errors="replace"), now_s, token)
    if proven.thumbprint != found.thumbprint:
        raise unproven("proof-mismatch", "The proof is made with another key than the access token's.")
    once(known.table, "proof", proven.use_id, proven.expires_s)
    return found.caller


def _by_signature(sent: Sent, known: Known) -> Caller:
    now_ms = known.clock.now_ms()
    request = signatures.message(sent.method, origin(sent.headers), sent.path, sent.query, sent.headers)
    proven = signatures.verify(request, now_ms // 1000, known.resolver)
    caller = known_caller(proven.did, known, now_ms)
    once(known.table, "signature", proven.use_id, proven.expires_s)
    return caller
