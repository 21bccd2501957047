"""Proofs made by hand, part by part, so that each part can be made wrong; the library's own makers are not used."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from isthmus.access import proving
from isthmus.access.proving import PrivateKey
from tests.proofs import HOST, ORIGIN, Place

OTHER = proving.new_key()
OTHER_P256 = proving.new_key("ES256")
Make = Callable[[Place], str]
Claims = dict[str, Any]
Sign = Callable[[bytes], bytes]
PATH = "/v1/things"
GONE: Any = object()
"""In place of a value: leave the member out."""


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(header: Any, claims: Any, sign: Sign) -> str:
    """A JWT; parts that are text already are taken as they are."""
    parts = [part if isinstance(part, str) else json.dumps(part) for part in (header, claims)]
    text = ".".join(b64(part.encode()) for part in parts)
    return f"{text}.{b64(sign(text.encode()))}"


def changed(members: Claims, changes: Mapping[str, Any]) -> Claims:
    return {name: value for name, value in {**members, **changes}.items() if value is not GONE}


def proof(
    place: Place,
    token: str,
    *,
    key: PrivateKey | None = None,
    sign: Sign | None = None,
    header: Mapping[str, Any] | None = None,
    **claims: Any,
) -> str:
    """A DPoP proof for GET of the path."""
    key = key or place.owner
    members = {"typ": "dpop+jwt", "alg": key.secret.algorithm, "jwk": dict(key.secret.public.jwk)}
    said = {
        "htm": "GET",
        "htu": ORIGIN + PATH,
        "iat": place.now_s,
        "jti": secrets.token_hex(8),
        "ath": b64(hashlib.sha256(token.encode()).digest()),
    }
    return compact(changed(members, header or {}), changed(said, claims), sign or key.secret.sign)


def assertion(
    place: Place,
    *,
    key: PrivateKey | None = None,
    sign: Sign | None = None,
    header: Mapping[str, Any] | None = None,
    **claims: Any,
) -> str:
    """An assertion of the owner's DID."""
    key = key or place.owner
    members = {"typ": "JWT", "alg": key.secret.algorithm, "kid": key.key_id}
    said = {
        "iss": key.did,
        "sub": key.did,
        "aud": ORIGIN,
        "iat": place.now_s,
        "exp": place.now_s + 60,
        "jti": secrets.token_hex(8),
    }
    return compact(changed(members, header or {}), changed(said, claims), sign or key.secret.sign)


def token(
    place: Place,
    *,
    sign: Sign | None = None,
    header: Mapping[str, Any] | None = None,
    **claims: Any,
) -> str:
    """An access token of the owner, signed with the deployment's own key unless it is said how."""
    key = place.keys._keys()[-1]
    members = {"typ": "at+jwt", "alg": "ES256", "kid": key.id}
    said = {
        "iss": ORIGIN,
        "aud": ORIGIN,
        "sub": place.owner.did,
        "client_id": place.owner.did,
        "iat": place.now_s,
        "exp": place.now_s + 300,
        "jti": secrets.token_hex(8),
        "auth_time": place.now_s,
        "role": "owner",
        "tenant": "main",
        "scope": "*",
        "max_msat": "5",
        "cnf": {"jkt": place.owner.secret.public.thumbprint},
    }
    return compact(changed(members, header or {}), changed(said, claims), sign or key.secret.sign)


COVERED = ('"@method"', '"@authority"', '"@path"', '"@query"', '"content-digest"')


def signature(
    place: Place,
    *,
    key: PrivateKey | None = None,
    covered: tuple[str, ...] = COVERED,
    label: str = "did",
    values: Mapping[str, str] | None = None,
    **parameters: Any,
) -> dict[str, str]:
    """The headers of a signed POST of the path with an empty body (RFC 9421 section 2.5)."""
    key = key or place.owner
    names = {"EdDSA": "ed25519", "ES256": "ecdsa-p256-sha256", "ES256K": "ecdsa-secp256k1-sha256"}
    digest = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
    said: dict[str, Any] = {
        "created": place.now_s,
        "expires": place.now_s + 60,
        "keyid": key.key_id,
        "alg": names[key.secret.algorithm],
        "nonce": secrets.token_hex(8),
        "tag": "did-auth",
    }
    texts = "".join(f";{name}={_item(value)}" for name, value in changed(said, parameters).items())
    known = {
        '"@method"': "POST",
        '"@authority"': HOST,
        '"@path"': PATH,
        '"@query"': "?",
        '"content-digest"': digest,
        **(values or {}),
    }
    input_ = f"({' '.join(covered)}){texts}"
    lines = [f"{name}: {known[name]}" for name in covered] + [f'"@signature-params": {input_}']
    signed = base64.b64encode(key.secret.sign("\n".join(lines).encode())).decode()
    return {
        "content-digest": digest,
        "signature-input": f"{label}={input_}",
        "signature": f"{label}=:{signed}:",
    }


def _item(value: Any) -> str:
    return str(value) if isinstance(value, int) else f'"{value}"'


def hmac_of(key: dict[str, str]) -> Callable[[bytes], bytes]:
    """Sign with the text of a public key, as a reader would that lets the token choose the algorithm."""
    return lambda message: hmac.digest(json.dumps(key).encode(), message, hashlib.sha256)


def nothing(message: bytes) -> bytes:
    return b""


def some(message: bytes) -> bytes:
    return bytes(64)


def repacked(text: str, part: int, change: Callable[[str], str]) -> str:
    """The token with one of its parts changed and the old signature under it."""
    parts = text.split(".")
    parts[part] = b64(change(unb64(parts[part]).decode()).encode())
    return ".".join(parts)


def loose_bits(text: str) -> str:
    """The same bytes in another spelling: the last character's unused bits are set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spelled = text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]
    assert unb64(spelled.split(".")[2]) == unb64(text.split(".")[2])
    return spelled


def flipped(text: str) -> str:
    """The token with one bit of its signature changed."""
    head, _, tail = text.rpartition(".")
    signature = unb64(tail)
    return f"{head}.{b64(bytes([signature[0] ^ 1]) + signature[1:])}"


def halved(text: str) -> str:
    """The token with half of its signature."""
    head, _, tail = text.rpartition(".")
    return f"{head}.{b64(unb64(tail)[:32])}"


def owner_jwk(place: Place) -> dict[str, str]:
    return dict(place.owner.secret.public.jwk)


OTHER = proving.new_key()
OTHER_P256 = proving.new_key("ES256")


def is_refused(found: dict[str, Any], code: str, *secrets: str) -> None:
    """It is refused with this code, and nothing of what was sent is said again."""
    assert set(found) == {"refused"}
    assert (found["refused"]["kind"], found["refused"]["code"]) == ("unauthenticated", code)
    assert found["refused"]["detail"]
    assert found["refused"]["next_step"]
    told = json.dumps(found)
    assert [one for one in secrets if len(one) > 8 and one in told] == []
