"""Public and private keys of the three kinds that sign here: Ed25519, P-256 and secp256k1.

The algorithm is the key's, never a message's: an Ed25519 key verifies EdDSA and nothing else. Source: RFC 7517 and 7518
(JWK), RFC 8037 (Ed25519), RFC 8812 (secp256k1), RFC 7638 (thumbprint).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any, Literal

import orjson

from isthmus import base64url
from isthmus.did.curves import is_ed25519_point
from isthmus.failure import Invalid

Algorithm = Literal["EdDSA", "ES256", "ES256K"]
ALGORITHMS: tuple[Algorithm, ...] = ("EdDSA", "ES256", "ES256K")

_CURVES: dict[tuple[str, str], Algorithm] = {
    ("OKP", "Ed25519"): "EdDSA",
    ("EC", "P-256"): "ES256",
    ("EC", "secp256k1"): "ES256K",
}
_NAMES = {algorithm: name for name, algorithm in _CURVES.items()}

PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""What a public JWK never has (RFC 7518 section 6)."""

MAX_CACHED = 1024


@dataclass(frozen=True, eq=False)
class PublicKey:
    """A key that was found to be one: the right length, and a point of its curve.

    Args:
        algorithm: the one algorithm it verifies.
        jwk: the members of a JWK that make the key, and no others.
        handle: the key as `cryptography` holds it.
    """

    algorithm: Algorithm
    jwk: Mapping[str, str]
    handle: Any

    @cached_property
    def thumbprint(self) -> str:
        """The SHA-256 thumbprint in base64url (RFC 7638)."""
        canonical = orjson.dumps(dict(self.jwk), option=orjson.OPT_SORT_KEYS)
        return base64url.encode(hashlib.sha256(canonical).digest())

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether this is a signature of the message by this key; ECDSA's are 64 bytes, r and s."""
        valid: bool = _signing(self.algorithm).verify(message, self.handle, signature)
        return valid


@dataclass(frozen=True, eq=False, repr=False)
class PrivateKey:
    """A key that signs; its repr is the object's, so that no log can show it."""

    public: PublicKey
    handle: Any

    @property
    def algorithm(self) -> Algorithm:
        """The one algorithm it signs with."""
        return self.public.algorithm

    def sign(self, message: bytes) -> bytes:
        """The signature of a message as JOSE has it: 64 bytes."""
        signature: bytes = _signing(self.algorithm).sign(message, self.handle)
        return signature

    def jwk(self) -> dict[str, str]:
        """The private JWK: a secret."""
        if self.algorithm == "EdDSA":
            secret = self.handle.private_bytes_raw()
        else:
            secret = self.handle.private_numbers().private_value.to_bytes(32, "big")
        return {**self.public.jwk, "d": base64url.encode(secret)}


def public_key(jwk: Mapping[str, Any]) -> PublicKey:
    """The key in a public JWK; members that do not make the key are not looked at.

    Raises:
        Invalid: it has private members, is of another kind, its `alg` is another's, or it is no point of its curve.
    """
    if PRIVATE_MEMBERS & jwk.keys():
        raise _refused("The JWK has private members.")
    parts = [jwk.get(name, "") for name in ("kty", "crv", "x", "y")]
    if not all(isinstance(part, str) for part in parts):
        raise _refused("The JWK's members are not text.")
    key = _public_key(*parts)
    if jwk.get("alg", key.algorithm) != key.algorithm:
        raise _refused("The JWK's alg is not its curve's.")
    return key


def public_key_of(algorithm: Algorithm, raw: bytes) -> PublicKey:
    """The key of an algorithm in its shortest form: 32 bytes for Ed25519, a compressed point of 33 for the others.

    Raises:
        Invalid: it is not of that length, or no point of its curve.
    """
    kty, crv = _NAMES[algorithm]
    if kty == "OKP":
        return _public_key(kty, crv, base64url.encode(raw), "")
    if len(raw) != 33:
        raise _refused("The key has not the length of its kind.")
    try:
        numbers = _curve(crv)[1].from_encoded_point(_curve(crv)[0], raw).public_numbers()
    except ValueError as error:
        raise _refused("The key is no point of its curve.") from error
    x, y = (base64url.encode(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return _public_key(kty, crv, x, y)


def compressed(key: PublicKey) -> bytes:
    """A key in its shortest form, the reverse of `public_key_of`."""
    x = base64url.decode(key.jwk["x"])
    if key.algorithm == "EdDSA":
        return x
    return bytes([2 + (base64url.decode(key.jwk["y"])[-1] & 1)]) + x


def new_private_key(algorithm: Algorithm = "EdDSA") -> PrivateKey:
    """A fresh key from the system's randomness."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if algorithm == "EdDSA":
        return _private_key(algorithm, ed25519.Ed25519PrivateKey.generate())
    return _private_key(algorithm, ec.generate_private_key(_curve(_NAMES[algorithm][1])[0]))


def private_key(jwk: Mapping[str, Any]) -> PrivateKey:
    """The key in a private JWK.

    Raises:
        Invalid: its public half is not a key, the secret is missing, or the two do not belong together.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    public = public_key({name: value for name, value in jwk.items() if name != "d"})
    try:
        secret = base64url.decode(str(jwk.get("d", "")))
        if public.algorithm == "EdDSA":
            key = _private_key(public.algorithm, ed25519.Ed25519PrivateKey.from_private_bytes(secret))
        else:
            curve = _curve(public.jwk["crv"])[0]
            key = _private_key(public.algorithm, ec.derive_private_key(int.from_bytes(secret, "big"), curve))
    except ValueError as error:
        raise _refused("The JWK has no secret.") from error
    if key.public.jwk != public.jwk:
        raise _refused("The JWK's secret is another key's.")
    return key


@lru_cache(MAX_CACHED)
def _public_key(kty: str, crv: str, x: str, y: str) -> PublicKey:
    algorithm = _CURVES.get((kty, crv))
    if algorithm is None:
        raise _refused("The key is of a kind that is not used here.")
    try:
        point = [base64url.decode(part) for part in ((x, y) if kty == "EC" else (x,))]
    except ValueError as error:
        raise _refused("The key's coordinates are not base64url.") from error
    if any(len(part) != 32 for part in point):
        raise _refused("The key has not the length of its kind.")
    if kty == "OKP":
        return PublicKey(algorithm, {"crv": crv, "kty": kty, "x": x}, _ed25519(point[0]))
    try:
        handle = _curve(crv)[1].from_encoded_point(_curve(crv)[0], b"\x04" + b"".join(point))
    except ValueError as error:
        raise _refused("The key is no point of its curve.") from error
    return PublicKey(algorithm, {"crv": crv, "kty": kty, "x": x, "y": y}, handle)


def _ed25519(raw: bytes) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not is_ed25519_point(raw):
        raise _refused("The key is no point of its curve.")
    return Ed25519PublicKey.from_public_bytes(raw)


def _private_key(algorithm: Algorithm, handle: Any) -> PrivateKey:
    public = handle.public_key()
    if algorithm == "EdDSA":
        return PrivateKey(public_key_of(algorithm, public.public_bytes_raw()), handle)
    numbers = public.public_numbers()
    x, y = (base64url.encode(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return PrivateKey(_public_key(*_NAMES[algorithm], x, y), handle)


@cache
def _curve(crv: str) -> tuple[Any, Any]:
    """A curve, and the class of its public keys."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return (ec.SECP256R1() if crv == "P-256" else ec.SECP256K1()), ec.EllipticCurvePublicKey


@cache
def _signing(algorithm: Algorithm) -> Any:
    """PyJWT's implementation of an algorithm."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from jwt.algorithms import ECAlgorithm, OKPAlgorithm

    if algorithm == "EdDSA":
        return OKPAlgorithm()
    return ECAlgorithm(ECAlgorithm.SHA256, ec.SECP256R1 if algorithm == "ES256" else ec.SECP256K1)


def _refused(detail: str) -> Invalid:
    return Invalid(detail, next_step="Send an Ed25519, P-256 or secp256k1 public key.", code="did/key")
