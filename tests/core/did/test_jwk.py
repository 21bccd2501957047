import json
from pathlib import Path
from typing import Any

import pytest

from isthmus import base64url
from isthmus.did import keys
from isthmus.did.document import SIGNING, DidDocument
from isthmus.did.jwk import did_of, resolve
from isthmus.failure import Invalid

KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}


def vectors_of(folder: Path) -> list[dict[str, Any]]:
    told = json.loads((folder / "web5" / "web5-spec-test-vectors" / "did_jwk" / "resolve.json").read_text())
    found: list[dict[str, Any]] = told["vectors"]
    return found


def shown(document: DidDocument) -> dict[str, Any]:
    """As the vectors have it."""
    methods = [
        {"type": "JsonWebKey", "id": one.id, "controller": one.controller, "publicKeyJwk": one.jwk}
        for one in document.methods
    ]
    uses = {name: list(ids) for name, ids in document.relationships.items()}
    return {"id": document.did, "verificationMethod": methods, **uses}


def test_the_published_vectors_resolve_to_their_documents_and_the_wrong_one_to_nothing(vectors: Path) -> None:
    for one in vectors_of(vectors):
        expected = one["output"]["didDocument"]
        if one["errors"]:
            with pytest.raises(Invalid):
                resolve(one["input"])
        else:
            expected.pop("@context")
            assert shown(resolve(one["input"])) == expected


@pytest.mark.parametrize(
    ("use", "relationships"),
    [({}, {*SIGNING, "keyAgreement"}), ({"use": "sig"}, set(SIGNING)), ({"use": "enc"}, {"keyAgreement"})],
)
def test_the_use_says_what_the_key_is_for(use: dict[str, str], relationships: set[str]) -> None:
    assert set(resolve(did_of(KEY | use)).relationships) == relationships


@pytest.mark.parametrize("member", sorted(keys.PRIVATE_MEMBERS))
def test_a_private_key_is_no_did(member: str) -> None:
    assert resolve(did_of(KEY))
    with pytest.raises(Invalid) as refused:
        resolve(did_of(KEY | {member: "AAAA"}))
    assert refused.value.code == "did/key"


@pytest.mark.parametrize(
    "jwk",
    [
        KEY | {"use": "all"},
        KEY | {"use": ["sig"]},
        KEY | {"use": None, "crv": "X25519"},
        KEY | {"crv": "Ed448"},
        KEY | {"kty": "EC"},
        KEY | {"x": 5},
        KEY | {"x": KEY["x"] + "="},
        KEY | {"x": KEY["x"][:-1]},
        KEY | {"alg": "ES256"},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": KEY["x"], "y": KEY["x"]},
        {"kty": "EC", "crv": "secp256k1", "x": KEY["x"]},
        {},
    ],
)
def test_a_jwk_that_is_no_key_used_here_is_refused(jwk: Any) -> None:
    with pytest.raises(Invalid):
        resolve(did_of(jwk))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"1",
        b"null",
        b"{",
        b"\xff",
        json.dumps(KEY).encode()[:-1] + b', "kty": "OKP"}',
        json.dumps(KEY).encode()[:-1] + b', "a": 1.5}',
        json.dumps(KEY).encode()[:-1] + b', "a": NaN}',
        json.dumps(KEY).encode()[:-1] + b', "a": ' + b"[" * 9 + b"]" * 9 + b"}",
        b"[" * 600,
        b"\xef\xbb\xbf" + json.dumps(KEY).encode(),
    ],
)
def test_what_is_not_strict_json_is_refused(text: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        resolve("did:jwk:" + base64url.encode(text))
    assert refused.value.code == "did/malformed"


@pytest.mark.parametrize("end", ["=", "#0", "%3D", "\n", "?"])
def test_the_did_is_taken_as_it_is(end: str) -> None:
    with pytest.raises(Invalid):
        resolve(did_of(KEY) + end)


def test_a_did_without_end_is_refused_unread() -> None:
    assert resolve(did_of(KEY | {"kid": "x" * 500}))
    with pytest.raises(Invalid, match="not a DID"):
        resolve(did_of(KEY | {"kid": "x" * 1000}))
