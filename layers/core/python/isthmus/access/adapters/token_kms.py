"""The keys of access tokens in AWS KMS, which they never leave: ECC_NIST_P256, one signature for each token."""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from isthmus import base64url
from isthmus.access import jwt
from isthmus.did.keys import PublicKey, public_key_of
from isthmus.failure import Integrity, Invalid
from isthmus.storage.adapters.aws import asking, client

_READ_TIMEOUT_S = 3.0


class KmsTokenKeys:
    """TokenKeys and TokenSigner over KMS keys: the first signs, all verify.

    Both methods raise Unavailable when KMS does not answer. A key is asked for its public half once per process,
    because it has the same one for ever.
    """

    def __init__(self, arns: Sequence[str]) -> None:
        self._arns = tuple(arns)
        self._client = client("kms", read_timeout_s=_READ_TIMEOUT_S)
        self._found: dict[str, PublicKey] = {}
        self._lock = threading.Lock()

    def sign(self, claims: Mapping[str, Any]) -> str:
        """An access token with these claims."""
        from jwt.utils import der_to_raw_signature

        key = self._public(self._arns[0])
        header = {"typ": jwt.TYPES["token"], "alg": key.algorithm, "kid": key.thumbprint}
        text = jwt.unsigned(header, claims)
        with asking("kms"):
            answer = self._client.sign(
                KeyId=self._arns[0],
                Message=hashlib.sha256(text.encode()).digest(),
                MessageType="DIGEST",
                SigningAlgorithm="ECDSA_SHA_256",
            )
        signature: bytes = der_to_raw_signature(answer["Signature"], key.handle.curve)
        return f"{text}.{base64url.encode(signature)}"

    def public(self) -> Mapping[str, Mapping[str, str]]:
        """The public keys that tokens may be signed with, by their id."""
        found = [self._public(arn) for arn in self._arns]
        return {key.thumbprint: key.jwk for key in found}

    def _public(self, arn: str) -> PublicKey:
        with self._lock:
            if arn not in self._found:
                with asking("kms"):
                    answer = self._client.get_public_key(KeyId=arn)
                self._found[arn] = _read(answer["PublicKey"])
            return self._found[arn]


def _read(der: bytes) -> PublicKey:
    """The P-256 key in a SubjectPublicKeyInfo.

    Raises:
        Integrity: it is another kind of key.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    key: Any = load_der_public_key(der)
    try:
        return public_key_of("ES256", key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))
    except (ValueError, Invalid) as error:
        raise Integrity(
            "The KMS key of access tokens is not of the kind ECC_NIST_P256.",
            next_step="Name keys of that kind in ISTHMUS_TOKEN_KEYS.",
            code="auth/token-keys",
        ) from error
