"""did:key: the DID is the public key (W3C CCG did:key method v0.9; multibase base58btc, multicodec)."""

from functools import lru_cache

from isthmus.did.document import SIGNING, DidDocument, check_did, malformed, one_key
from isthmus.did.keys import MAX_CACHED, Algorithm, PublicKey, compressed, public_key_of

PREFIX = "did:key:z"
MAX_KEY_CHARS = 64
"""Of the multibase part; 35 bytes are at most 48 base58 characters, and decoding takes the square of the length."""

_CODECS: dict[bytes, Algorithm] = {b"\xed\x01": "EdDSA", b"\x80\x24": "ES256", b"\xe7\x01": "ES256K"}


@lru_cache(MAX_CACHED)
def resolve(did: str) -> DidDocument:
    """The document of a did:key.

    Raises:
        Invalid: it is no did:key, not canonical, of a kind of key that is not used here, or no point of its curve.
    """
    import base58

    check_did(did)
    text = did.removeprefix(PREFIX)
    if text == did or len(text) > MAX_KEY_CHARS:
        raise malformed("This is not a did:key with a key of a kind that is used here.")
    try:
        raw = base58.b58decode(text)
    except ValueError as error:
        raise malformed("The did:key is not base58.") from error
    algorithm = _CODECS.get(raw[:2])
    if algorithm is None or base58.b58encode(raw).decode() != text:
        raise malformed("This is not a did:key with a key of a kind that is used here.")
    key = public_key_of(algorithm, raw[2:])
    return one_key(did, f"{did}#z{text}", key.jwk, SIGNING)


def did_of(key: PublicKey) -> str:
    """The did:key of a public key."""
    import base58

    codec = next(codec for codec, algorithm in _CODECS.items() if algorithm == key.algorithm)
    return PREFIX + str(base58.b58encode(codec + compressed(key)).decode())
