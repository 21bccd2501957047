import json
from pathlib import Path
from typing import Any

import base58
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus import base64url
from isthmus.did import key as did_key
from isthmus.did import keys
from isthmus.did.document import MAX_DID_CHARS
from isthmus.did.key import did_of, resolve
from isthmus.failure import Invalid

# The W3C CCG did:key specification, sections 3 and "Test Vectors".
ED25519 = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
SECP256K1 = "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"
P256 = "did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv"


@pytest.mark.parametrize(
    ("did", "crv"), [(ED25519, "Ed25519"), (SECP256K1, "secp256k1"), (P256, "P-256")], ids=["ed", "k1", "p"]
)
def test_the_dids_of_the_specification_are_keys_of_their_curves(did: str, crv: str) -> None:
    (method,) = resolve(did).methods
    assert method.jwk["crv"] == crv
    assert method.id == f"{did}#{did.removeprefix('did:key:')}"
    assert method.controller == did
    assert did_of(keys.public_key(method.jwk)) == did


def test_the_key_may_sign_for_everything_and_encrypt_nothing() -> None:
    document = resolve(ED25519)
    (method,) = document.methods
    for relationship in ("authentication", "assertionMethod", "capabilityInvocation", "capabilityDelegation"):
        assert document.method(relationship, method.id) == method  # type: ignore[arg-type]
    assert document.method("keyAgreement", method.id) is None
    assert document.method("authentication", f"{ED25519}#other") is None


def test_credentials_that_others_signed_are_verified_with_the_keys_of_their_dids(vectors: Path) -> None:
    folder = vectors / "web5" / "web5-spec-test-vectors" / "vc_jwt"
    found = [
        one["input"]
        for name in ("verify", "decode")
        for one in json.loads((folder / f"{name}.json").read_text())["vectors"]
        if not one["errors"]
    ]
    checked = 0
    for text in found:
        head, _, signature = text.rpartition(".")
        issuer = json.loads(base64url.decode(head.split(".")[1]))["iss"]
        if issuer.startswith("did:key:"):
            (method,) = resolve(issuer).methods
            assert keys.public_key(method.jwk).verify(base64url.decode(signature), head.encode())
            checked += 1
    assert checked


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
def test_a_fresh_key_comes_back_from_its_did(algorithm: Any) -> None:
    key = keys.new_private_key(algorithm)
    (method,) = resolve(did_of(key.public)).methods
    assert method.jwk == key.public.jwk


def encoded(raw: bytes) -> str:
    return "did:key:z" + str(base58.b58encode(raw).decode())


RAW = base58.b58decode(ED25519.removeprefix("did:key:z"))


@pytest.mark.parametrize(
    "did",
    [
        "did:key:",
        "did:key:z",
        "did:key:z6Mk",
        "did:key:m" + ED25519[9:],
        "did:key:" + ED25519[9:],
        ED25519 + "1",
        ED25519 + " ",
        " " + ED25519,
        ED25519 + "\n",
        ED25519 + "#key",
        ED25519 + "?a=1",
        ED25519.replace("key", "KEY"),
        ED25519[:-1] + "0",
        ED25519[:9] + "1" + ED25519[9:],
        encoded(RAW[:-1]),
        encoded(RAW + b"\0"),
        encoded(b"\xec\x01" + RAW[2:]),
        encoded(b"\xed\x81\x00" + RAW[2:]),
        encoded(b"\xed\x01" + bytes(32)),
        encoded(b"\xed\x01" + b"\xff" * 32),
        encoded(b"\xed\x01\x02" + bytes(31)),
        encoded(b"\x80\x24\x02" + b"\xff" * 32),
        encoded(b"\x80\x24\x04" + bytes(64)),
        encoded(b"\xe7\x01\x05" + bytes(32)),
        "did:key:z" + "6" * 1000,
        "did:key:z" + "é" * 40,
        "",
    ],
)
def test_what_is_not_exactly_the_did_of_a_key_is_refused(did: str) -> None:
    with pytest.raises(Invalid) as refused:
        resolve(did)
    assert refused.value.code in ("did/malformed", "did/key")
    assert len(did) < 20 or did not in str(refused.value)


@given(st.text(max_size=80))
def test_no_text_does_anything_but_resolve_or_be_refused(text: str) -> None:
    with pytest.raises(Invalid):
        resolve("did:key:z6Mk" + text)


def test_the_length_is_looked_at_before_anything_is_decoded() -> None:
    assert did_key.MAX_KEY_CHARS < MAX_DID_CHARS
    with pytest.raises(Invalid):
        resolve("did:key:z" + "6" * 10_000_000)
