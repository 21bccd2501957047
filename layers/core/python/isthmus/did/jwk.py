"""did:jwk: the DID is a public JWK in base64url (https://github.com/quartzjer/did-jwk, spec.md)."""

import json
from functools import lru_cache
from typing import Any

from isthmus import base64url
from isthmus.did.document import SIGNING, DidDocument, Relationship, check_did, malformed, one_key
from isthmus.did.keys import MAX_CACHED, public_key
from isthmus.strict_json import loads

PREFIX = "did:jwk:"

_USES: dict[Any, tuple[Relationship, ...]] = {
    "sig": SIGNING,
    "enc": ("keyAgreement",),
    None: (*SIGNING, "keyAgreement"),
}


@lru_cache(MAX_CACHED)
def resolve(did: str) -> DidDocument:
    """The document of a did:jwk; its one key is `<did>#0`, and `use` says what it may be used for.

    Raises:
        Invalid: it is no did:jwk, no JSON object in base64url, has private members, or no key that is used here.
    """
    check_did(did)
    if not did.startswith(PREFIX):
        raise malformed("This is not a did:jwk.")
    try:
        jwk = loads(base64url.decode(did.removeprefix(PREFIX)))
    except ValueError as error:
        raise malformed("The did:jwk is not JSON in base64url.") from error
    if not isinstance(jwk, dict) or not isinstance(jwk.get("use"), str | None) or jwk.get("use") not in _USES:
        raise malformed("The did:jwk is not a JWK for signing or encrypting.")
    public_key(jwk)
    return one_key(did, f"{did}#0", jwk, _USES[jwk.get("use")])


def did_of(jwk: dict[str, str]) -> str:
    """The did:jwk of a public JWK."""
    return PREFIX + base64url.encode(json.dumps(jwk, separators=(",", ":")).encode())
