"""Content-Digest: a request's body is what its sender hashed (RFC 9530)."""

import base64
import hashlib
import hmac
import re

_MEMBER = r"[a-z*][a-z0-9_.*-]*=:[A-Za-z0-9+/]*={0,2}:"
_FIELD = re.compile(rf"{_MEMBER}(?:[ \t]*,[ \t]*{_MEMBER})*")
_SHA_256 = re.compile(r"(?:^|[ \t,])sha-256=:([^:]*):")
MAX_CHARS = 1000


def digest(body: bytes) -> str:
    """The header's value for a body."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def matches(header: str, body: bytes) -> bool:
    """Whether a header has exactly one SHA-256 digest and it is the body's; other algorithms prove nothing here."""
    if len(header) > MAX_CHARS or not _FIELD.fullmatch(header):
        return False
    found = _SHA_256.findall(header)
    return len(found) == 1 and hmac.compare_digest(f"sha-256=:{found[0]}:", digest(body))
