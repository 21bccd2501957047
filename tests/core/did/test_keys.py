import json
from pathlib import Path
from typing import Any

import pytest

from isthmus.did import curves, keys
from isthmus.did.keys import new_private_key, private_key, public_key, public_key_of
from isthmus.failure import Invalid

P = curves._P


def test_the_thumbprint_of_rfc_8037_is_found() -> None:
    """RFC 8037 appendix A.3."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "any"}
    assert public_key(jwk).thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_the_thumbprint_of_rfc_9449_is_found() -> None:
    """RFC 9449 section 6.1: the key of section 4.1's proof, and the token that is bound to it."""
    jwk = {
        "kty": "EC",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        "crv": "P-256",
    }
    assert public_key(jwk).thumbprint == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


def test_the_signature_of_rfc_8037_is_made_and_verified() -> None:
    """RFC 8037 appendix A.4."""
    key = private_key(
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }
    )
    signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    signature = bytes.fromhex(
        "860c98d2297f3060a33f42739672d61b53cf3adefed3d3c672f320dc021b411e"
        "9d59b8628dc351e248b88b29468e0e41855b0fb7d83bb15be902bfccb8cd0a02"
    )
    assert key.sign(signed) == signature
    assert key.public.verify(signature, signed)
    assert not key.public.verify(signature, signed + b"x")


@pytest.mark.parametrize("name", ["crypto_ed25519", "crypto_es256k"])
def test_the_published_signatures_are_verified_or_refused_as_they_say(vectors: Path, name: str) -> None:
    told = json.loads((vectors / "web5" / "web5-spec-test-vectors" / name / "verify.json").read_text())
    for one in told["vectors"]:
        asked = one["input"]
        if one["errors"]:
            with pytest.raises(Invalid):
                public_key(asked["key"])
            continue
        key = public_key({name: value for name, value in asked["key"].items() if name != "d"})
        assert key.verify(bytes.fromhex(asked["signature"]), bytes.fromhex(asked["data"])) is one["output"]
    assert {one["errors"] or one["output"] for one in told["vectors"]} == {True, False}


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
def test_a_signature_is_of_its_message_by_its_key_and_in_64_bytes(algorithm: Any) -> None:
    key, other = new_private_key(algorithm), new_private_key(algorithm)
    signature = key.sign(b"message")
    assert len(signature) == 64
    assert key.public.verify(signature, b"message")
    assert not other.public.verify(signature, b"message")
    assert not key.public.verify(signature, b"other")
    assert not key.public.verify(signature[:-1], b"message")
    assert not key.public.verify(signature + b"\0", b"message")
    assert not key.public.verify(b"", b"message")
    assert not key.public.verify(bytes(64), b"message")


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
def test_a_private_key_comes_back_from_its_jwk(algorithm: Any) -> None:
    key = new_private_key(algorithm)
    assert private_key(key.jwk()).public is key.public


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
def test_a_private_key_of_another_public_key_is_refused(algorithm: Any) -> None:
    jwk = new_private_key(algorithm).jwk() | {"d": new_private_key(algorithm).jwk()["d"]}
    with pytest.raises(Invalid):
        private_key(jwk)


@pytest.mark.parametrize("secret", ["", "AAAA", "!", 5, None])
def test_a_secret_that_is_none_is_refused(secret: Any) -> None:
    for algorithm in keys.ALGORITHMS:
        with pytest.raises(Invalid):
            private_key(new_private_key(algorithm).jwk() | {"d": secret})


def test_a_private_key_never_shows_itself() -> None:
    key = new_private_key()
    assert key.jwk()["d"] not in f"{key} {key!r} {vars(key)}"


def test_a_key_is_parsed_once() -> None:
    key = new_private_key("ES256").public
    assert public_key(dict(key.jwk)) is public_key(dict(key.jwk))


def test_every_point_of_small_order_is_refused_and_is_one() -> None:
    for y in curves.SMALL_ORDER_Y:
        x = root((y * y - 1) * pow(curves._D * y * y + 1, -1, P) % P)
        point = (x, y)
        for _ in range(3):
            point = doubled(point)
        assert point == (0, 1)
        for sign in (0, 1 << 255):
            assert not curves.is_ed25519_point((y | sign).to_bytes(32, "little"))
            with pytest.raises(Invalid):
                public_key_of("EdDSA", (y | sign).to_bytes(32, "little"))


def test_a_point_in_another_spelling_is_refused() -> None:
    low = next(y for y in range(2, 19) if curves.is_ed25519_point(y.to_bytes(32, "little")))
    assert not curves.is_ed25519_point((low + P).to_bytes(32, "little"))


def root(square: int) -> int:
    x = pow(square, (P + 3) // 8, P)
    return x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P


def doubled(point: tuple[int, int]) -> tuple[int, int]:
    x, y = point
    k = curves._D * x * x * y * y % P
    return (2 * x * y * pow(1 + k, -1, P) % P, (y * y + x * x) * pow(1 - k, -1, P) % P)
