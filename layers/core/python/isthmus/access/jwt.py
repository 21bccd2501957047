"""Signed JSON web tokens in compact form, read strictly (RFC 7515, RFC 7519, RFC 8725).

The key decides the algorithm and the reader decides the type; a header can confirm both and change neither. Nothing in
a header names a place to fetch a key from, and no extension is understood, so every other member is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from isthmus import base64url
from isthmus.access.unproven import unproven
from isthmus.did.keys import PrivateKey, PublicKey
from isthmus.strict_json import loads

What = Literal["token", "proof", "assertion"]

TYPES: dict[What, str] = {"token": "at+jwt", "proof": "dpop+jwt", "assertion": "JWT"}
MEMBERS: dict[What, frozenset[str]] = {
    "token": frozenset({"alg", "typ", "kid"}),
    "proof": frozenset({"alg", "typ", "jwk"}),
    "assertion": frozenset({"alg", "typ", "kid"}),
}
MAX_CHARS: dict[What, int] = {"token": 8192, "proof": 4096, "assertion": 4096}

MAX_TIME_S = 2**40
MAX_ID_CHARS = 256
THUMBPRINT_CHARS = 43

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


@dataclass(frozen=True)
class Jwt:
    """What stands in a token whose signature nobody has checked yet."""

    what: What
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes

    def text(self, name: str, limit: int = MAX_ID_CHARS) -> str:
        """A claim that is text, with something in it and no longer than the limit.

        Raises:
            Unauthenticated: it is not there, or is something else.
        """
        value = self.claims.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= limit:
            raise unproven("claims", f"The {self.what}'s claim {name} is missing or is not what it must be.")
        return value

    def seconds(self, name: str) -> int:
        """A claim that is a time, in whole seconds since the epoch.

        Raises:
            Unauthenticated: it is not there, or is something else.
        """
        value = self.claims.get(name)
        if type(value) is not int or not 0 <= value <= MAX_TIME_S:
            raise unproven("claims", f"The {self.what}'s claim {name} is missing or is not what it must be.")
        return value

    def key_id(self) -> str:
        """The header's `kid`.

        Raises:
            Unauthenticated: it is not text.
        """
        kid = self.header["kid"]
        if not isinstance(kid, str) or not kid:
            raise unproven("key", f"The {self.what}'s kid names no key.")
        return kid


def read(text: str, what: What) -> Jwt:
    """Take a token apart; its signature is not checked.

    Raises:
        Unauthenticated: it is too long, not canonical, not strict JSON, of another type, or its header has other
            members than its kind must have.
    """
    found = _COMPACT.fullmatch(text) if len(text) <= MAX_CHARS[what] else None
    if found is None:
        raise unproven("malformed", f"The {what} is no compact JWT, or is too long.")
    try:
        header, claims, signature = (base64url.decode(part) for part in found.groups())
        opened, said = loads(header), loads(claims)
    except ValueError as error:
        raise unproven("malformed", f"The {what} is not canonical base64url with strict JSON in it.") from error
    if not isinstance(opened, dict) or not isinstance(said, dict):
        raise unproven("malformed", f"The {what}'s parts are not JSON objects.")
    if opened.get("typ") != TYPES[what]:
        raise unproven("type", f"This is no {what}: its typ is not {TYPES[what]}.")
    if opened.keys() != MEMBERS[what]:
        raise unproven("header", f"The {what}'s header has exactly {', '.join(sorted(MEMBERS[what]))}.")
    return Jwt(what, opened, said, text[: found.end(2)].encode(), signature)


def verify(jwt: Jwt, key: PublicKey) -> None:
    """Check the signature with the key's own algorithm.

    Raises:
        Unauthenticated: the header names another algorithm, or the signature is not this key's.
    """
    if jwt.header["alg"] != key.algorithm:
        raise unproven("algorithm", f"The {jwt.what}'s alg is not that of its key.")
    if not key.verify(jwt.signature, jwt.signed):
        raise unproven("signature", f"The {jwt.what}'s signature is wrong.")


def unsigned(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """What is signed: both parts, without the signature."""
    return f"{base64url.encode(orjson.dumps(dict(header)))}.{base64url.encode(orjson.dumps(dict(claims)))}"


def signed(what: What, member: Mapping[str, Any], claims: Mapping[str, Any], key: PrivateKey) -> str:
    """A whole token; `member` is what its header has besides `typ` and `alg`."""
    text = unsigned({"typ": TYPES[what], "alg": key.algorithm, **member}, claims)
    return f"{text}.{base64url.encode(key.sign(text.encode()))}"
