"""A request signed by a DID's key, without a token before it (RFC 9421, HTTP Message Signatures).

The library `http-message-signatures` builds what is signed and checks it; what must be covered, by whom, when and how
often is decided here. The path is signed in its decoded form, with only those characters percent-encoded that a path
cannot have: API Gateway hands on nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

from isthmus.access.did_keys import MAX_KEY_ID_CHARS, authentication_key
from isthmus.access.jwt import MAX_ID_CHARS, MAX_TIME_S
from isthmus.access.unproven import MAX_AGE_S, check_lifetime, unproven
from isthmus.did.keys import Algorithm, PrivateKey, PublicKey
from isthmus.ports import DidResolver

TAG = "did-auth"
LABEL = "did"
MAX_HEADER_CHARS = 6000
COVERED = ("@method", "@authority", "@path", "@query")
DIGEST = "content-digest"

NAMES: dict[Algorithm, str] = {
    "EdDSA": "ed25519",
    "ES256": "ecdsa-p256-sha256",
    "ES256K": "ecdsa-secp256k1-sha256",
}
"""RFC 9421 section 6.2.2; it registers no name for secp256k1, so signers may leave `alg` out, and should."""

_PATH = "/:@!$&'()*+,;=~"


@dataclass
class Message:
    """A request as the library wants it."""

    method: str
    url: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Signed:
    """Who signed, and under which id the signature may be used once until it expires (seconds since the epoch)."""

    did: str
    use_id: str
    expires_s: int


def covered(method: str) -> tuple[str, ...]:
    """What a signature must cover: also the body's digest, where the method lets a request have a body."""
    return COVERED if method in ("GET", "DELETE") else (*COVERED, DIGEST)


def message(method: str, origin: str, path: str, query: str, headers: Mapping[str, str]) -> Message:
    """The request to check: the path decoded, the query as it was sent."""
    url = origin + quote(path, safe=_PATH, errors="replace") + (f"?{query}" if query else "")
    return Message(method, url, dict(headers))


def verify(request: Message, now_s: int, resolver: DidResolver) -> Signed:
    """Check a request's signature; that its nonce is used once is left to the caller.

    Raises:
        Unauthenticated: there is not exactly one signature, by a DID's key, over all that matters, now.
    """
    components, parameters = _read(request)
    if parameters.get("tag") != TAG:
        raise unproven("type", f"The signature's tag is not {TAG}.")
    missing = [name for name in covered(request.method) if name not in components]
    if missing:
        raise unproven("coverage", f"The signature does not cover {', '.join(missing)}.")
    created_s, expires_s = (_seconds(parameters, name) for name in ("created", "expires"))
    check_lifetime("signature", created_s, expires_s, now_s)
    nonce, key_id = _text(parameters, "nonce", MAX_ID_CHARS), _text(parameters, "keyid", MAX_KEY_ID_CHARS)
    did, key = authentication_key(resolver, key_id, "signature")
    if parameters.get("alg", NAMES[key.algorithm]) != NAMES[key.algorithm]:
        raise unproven("algorithm", "The signature's alg is not that of its key.")
    _check(request, key)
    return Signed(did, f"{did} {nonce}", created_s + MAX_AGE_S)


def sign(request: Message, key: PrivateKey, key_id: str, created_s: int, nonce: str) -> dict[str, str]:
    """The headers `signature-input` and `signature` over all that must be covered, good for 60 seconds."""
    from datetime import UTC, datetime

    from http_message_signatures import HTTPMessageSigner

    signer = HTTPMessageSigner(signature_algorithm=_algorithm(key.algorithm))
    prepared = signer.prepare(
        request,
        key_id=key_id,
        created=datetime.fromtimestamp(created_s, UTC),
        expires=datetime.fromtimestamp(created_s + MAX_AGE_S, UTC),
        nonce=nonce,
        label=LABEL,
        tag=TAG,
        include_alg=key.algorithm != "ES256K",
        covered_component_ids=covered(request.method),
        use_existing_digest=DIGEST in request.headers,
    )
    signer.apply(request, prepared, key.sign(prepared.signature_base))
    return {name.lower(): request.headers[name] for name in ("Signature-Input", "Signature")}


def _read(request: Message) -> tuple[set[str], dict[str, Any]]:
    """The names of what the one signature covers, without those that a parameter makes less of, and its parameters."""
    import http_sf

    text = request.headers.get("signature-input", "")
    if not text or len(text) > MAX_HEADER_CHARS or len(request.headers.get("signature", "")) > MAX_HEADER_CHARS:
        raise unproven("malformed", "The headers signature-input and signature do not come together, or are too long.")
    try:
        labels: Any = http_sf.parse(text.encode("ascii"), tltype="dictionary", on_duplicate_key=_refuse_duplicate)
        signatures: Any = http_sf.parse(
            request.headers.get("signature", "").encode("ascii"),
            tltype="dictionary",
            on_duplicate_key=_refuse_duplicate,
        )
    except ValueError as error:
        raise unproven("malformed", "The signature's headers cannot be read.") from error
    if len(labels) != 1 or labels.keys() != signatures.keys():
        raise unproven("malformed", "There is not exactly one signature.")
    inner, parameters = next(iter(labels.values()))
    if not isinstance(inner, list):
        raise unproven("malformed", "The signature's input is not a list of components.")
    return {name for name, narrowed in inner if isinstance(name, str) and not narrowed}, parameters


def _refuse_duplicate(key: str, context: str) -> None:
    raise ValueError(f"{context} {key}")


def _seconds(parameters: Mapping[str, Any], name: str) -> int:
    value = parameters.get(name)
    if type(value) is not int or not 0 <= value <= MAX_TIME_S:
        raise unproven("claims", f"The signature's parameter {name} is missing or is not what it must be.")
    return value


def _text(parameters: Mapping[str, Any], name: str, limit: int) -> str:
    value = parameters.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        raise unproven("claims", f"The signature's parameter {name} is missing or is not what it must be.")
    return value


def _check(request: Message, key: PublicKey) -> None:
    from http_message_signatures import HTTPMessageSignaturesException

    verifier = _verifier()(signature_algorithm=_algorithm(key.algorithm), key_resolver=_OneKey(key))
    try:
        verifier.verify(request, max_age=None)
    except HTTPMessageSignaturesException as error:
        raise unproven("signature", "The signature is not one of this request by this key.") from error


class _OneKey:
    """The library's way to ask for a key, when there is only one it can be."""

    def __init__(self, key: PublicKey) -> None:
        self._key = key

    def resolve_public_key(self, key_id: str) -> PublicKey:  # noqa: ARG002 - the name was looked up before
        return self._key


@cache
def _verifier() -> Any:
    """The library's verifier without its clock: what is too old was decided by ours."""
    from http_message_signatures import HTTPMessageVerifier

    class Verifier(HTTPMessageVerifier):
        def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
            """Nothing more to check."""

    return Verifier


@cache
def _algorithm(name: Algorithm) -> Any:
    """One of our algorithms as one of the library's."""
    from http_message_signatures import HTTPSignatureAlgorithm, InvalidSignature

    class Ours(HTTPSignatureAlgorithm):
        algorithm_id = NAMES[name]

        def __init__(self, public_key: Any = None, private_key: Any = None) -> None:  # noqa: ARG002 - the library's
            self._key: PublicKey = public_key

        def verify(self, signature: bytes, message: bytes) -> None:
            if not self._key.verify(signature, message):
                raise InvalidSignature("wrong")

    return Ours
