"""Base64url without padding, as JOSE writes it (RFC 7515 section 2), and nothing but its one canonical form."""

import base64
import binascii


def encode(data: bytes) -> str:
    """Bytes as text."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Text as bytes.

    Raises:
        ValueError: it is not what `encode` makes of any bytes: padding, foreign characters, or bits left over.
    """
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if encode(data) != text:
        raise ValueError("not canonical base64url")
    return data
