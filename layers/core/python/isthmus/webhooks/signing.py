"""Signatures of the Standard Webhooks specification 1.0: HMAC-SHA256 over `id.timestamp.body`, secrets as `whsec_...`.

Source: https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from secrets import token_bytes

from pydantic import SecretStr

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> SecretStr:
    """A secret for one endpoint."""
    return SecretStr(PREFIX + base64.b64encode(token_bytes(SECRET_BYTES)).decode())


def headers(secrets: Iterable[SecretStr], message_id: str, now_s: int, body: bytes) -> dict[str, str]:
    """The three headers of one attempt; with several secrets any of them verifies it."""
    signed = f"{message_id}.{now_s}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": " ".join(_signature(one, signed) for one in secrets),
    }


def _signature(secret: SecretStr, signed: bytes) -> str:
    key = base64.b64decode(secret.get_secret_value().removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
