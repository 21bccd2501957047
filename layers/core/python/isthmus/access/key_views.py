"""API keys as operations ask for and answer them."""

from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer, SecretStr, WithJsonSchema

from isthmus.access.api_keys import Key
from isthmus.access.caller import Role
from isthmus.fields import Msat, Request, Response

KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="id of an API key")]
KeyRole = Literal["operator", "auditor", "client"]

ApiKey = Annotated[
    SecretStr,
    PlainSerializer(SecretStr.get_secret_value, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^isk_[0-9a-f]{16}_[0-9a-f]{64}$",
            "description": "the API key itself; nobody can show it again",
        }
    ),
]
"""Seen in the answer's JSON, and nowhere else: not in a repr, a log or a traceback."""


class OfKey(Request):
    """Which API key."""

    key_id: KeyId


class KeyView(Response):
    """An API key without its secret; times in milliseconds since the epoch."""

    key_id: KeyId
    name: str
    status: Literal["active", "expired", "revoked"]
    role: Role
    scopes: tuple[str, ...]
    max_msat: Msat = Field(description="the most that one request may spend, in millisatoshi")
    day_msat: Msat = Field(description="the most that may be spent in a rolling day, in millisatoshi")
    hour_count: int = Field(description="how many requests may spend in a rolling hour")
    created_ms: int
    created_by: str = Field(description="the DID that made it")
    expires_ms: int
    revoked_ms: int | None


def view(key: Key, now_ms: int) -> KeyView:
    """A key as it is shown."""
    ended: Literal["active", "expired"] = "expired" if key.expires_ms <= now_ms else "active"
    shown = asdict(key) | {"status": "revoked" if key.revoked_ms else ended, "revoked_ms": key.revoked_ms or None}
    del shown["tenant"]
    return KeyView(**shown)
