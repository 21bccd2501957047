"""Proofs, thumbprints, hashes and signatures as the standards print them."""

import pytest

from isthmus.access import dpop, signatures
from isthmus.access.signatures import Message
from isthmus.content_digest import digest, matches
from isthmus.did.keys import public_key
from isthmus.failure import Unauthenticated

PROOF = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJo"
    "RjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJq"
    "dGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0Ijox"
    "NTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
"""RFC 9449 section 4.1."""


def test_the_proof_of_rfc_9449_is_accepted_at_its_time_for_its_request_only() -> None:
    url, made_s = "https://server.example.com/token", 1562262616
    assert dpop.verify(PROOF, "POST", url, made_s).thumbprint == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
    for method, where, now_s in [("GET", url, made_s), ("POST", url + "s", made_s), ("POST", url, made_s + 61)]:
        with pytest.raises(Unauthenticated):
            dpop.verify(PROOF, method, where, now_s)


def test_the_token_hash_of_rfc_9449_is_found() -> None:
    """Section 7.1."""
    token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
    assert dpop.token_hash(token) == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"


ED25519 = public_key({"kty": "OKP", "crv": "Ed25519", "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"})
"""RFC 9421 section B.1.4."""


def signed(**changes: str) -> Message:
    """RFC 9421 section B.2.6."""
    headers = {
        "date": "Tue, 20 Apr 2021 02:07:55 GMT",
        "content-type": "application/json",
        "content-length": "18",
        "signature-input": 'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"',
        "signature": "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu"
        "4A0w6vuQv5lIp5WPpBKRCw==:",
    }
    return Message("POST", "https://example.com/foo?param=Value&Pet=dog", headers | changes)


def test_the_signature_of_rfc_9421_is_of_its_request_only() -> None:
    signatures._check(signed(), ED25519)
    with pytest.raises(Unauthenticated):
        signatures._check(signed(date="Tue, 20 Apr 2021 02:07:56 GMT"), ED25519)


BODY = b'{"hello": "world"}'
"""RFC 9530 appendix B, with and without the line's end."""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (BODY, "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="),
        (BODY + b"\n", "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="),
        (b"", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ],
)
def test_the_digests_of_rfc_9530_are_found(body: bytes, expected: str) -> None:
    assert digest(body) == f"sha-256=:{expected}:"


GOOD = digest(BODY)


@pytest.mark.parametrize(
    "header",
    [
        GOOD,
        f"sha-512=:AAAA:, {GOOD}",
        f"{GOOD},sha-512=:AAAA:",
        f"{GOOD} ,\tmd5=:AAAA:",
    ],
)
def test_a_body_is_what_its_digest_says(header: str) -> None:
    assert matches(header, BODY)
    assert not matches(header, BODY + b" ")
    assert not matches(header, b"")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "sha-512=:AAAA:",
        "x-sha-256=:" + GOOD[9:],
        GOOD.replace("sha", "SHA"),
        GOOD.replace("=:", "="),
        GOOD + ";a=1",
        GOOD + ",",
        f"{GOOD}, {GOOD}",
        f"{digest(b'')}, {GOOD}",
        GOOD.replace(":X48", ":x48"),
        GOOD.replace("=:", ":", 1),
        GOOD.replace("PE=:", "PE:"),
        GOOD.replace("PE=:", "PF=:"),
        f"a=:sha-256=:{GOOD[9:]}",
        GOOD + "\n",
        f"{GOOD}, a=:{'A' * 1000}:",
    ],
)
def test_what_is_not_exactly_one_sha_256_digest_of_the_body_proves_nothing(header: str) -> None:
    assert not matches(header, BODY)
