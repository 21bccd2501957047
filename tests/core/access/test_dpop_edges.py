"""What a proof is for: method, URL in all its spellings, token, and the key in it."""

from typing import Any

import pytest

from isthmus.access import dpop, jwt
from tests.core.access.edges import ANEW, GONE, KEY, NOW_S, PROOF, URL, changed, of_proof, refusal

MISMATCH_METHOD = ("proof-mismatch", "The proof's htm is not the request's method.", ANEW)


MISMATCH_URL = ("proof-mismatch", "The proof's htu is not the request's URL without its query.", ANEW)


MISMATCH_TOKEN = ("proof-mismatch", "The proof's ath is not the hash of the access token.", ANEW)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"htm": "POST"}, MISMATCH_METHOD),
        ({"htm": "get"}, MISMATCH_METHOD),
        ({"htm": GONE}, MISMATCH_METHOD),
        ({"htu": f"{URL}?"}, MISMATCH_URL),
        ({"htu": f"{URL}#"}, MISMATCH_URL),
        ({"htu": f"{URL}/"}, MISMATCH_URL),
        ({"htu": "https://[api.test/v1/things"}, MISMATCH_URL),
        ({"htu": URL.replace("https", "http")}, MISMATCH_URL),
        ({"htu": URL.replace(".test", ".test:80")}, MISMATCH_URL),
        ({"htu": "/v1/things"}, MISMATCH_URL),
    ],
)
def test_a_proof_for_another_request_is_none(changes: dict[str, Any], said: tuple[str, str, str]) -> None:
    assert refusal(lambda: of_proof(**changes)) == said


@pytest.mark.parametrize(
    ("claimed", "asked"),
    [
        ("HTTPS://API.TEST:443/v1/things", URL),
        ("https://api.test/%76%31/things", URL),
        ("http://api.test:80/", "http://api.test"),
        ("http://api.test", "http://api.test:80/"),
        ("https://api.test:8443/x", "https://api.test:8443/x"),
        ("https://api.test/a".ljust(2048, "a"), "https://api.test/a".ljust(2048, "a")),
    ],
)
def test_spellings_of_one_url_are_one(claimed: str, asked: str) -> None:
    text = jwt.signed("proof", {"jwk": dict(KEY.public.jwk)}, {**PROOF, "htu": claimed}, KEY)
    assert dpop.verify(text, "GET", asked, NOW_S) == dpop.Proof(
        KEY.public.thumbprint, f"{KEY.public.thumbprint} one", NOW_S + 60
    )


@pytest.mark.parametrize(
    ("claimed", "asked"),
    [
        ("https://api.test:80/", "https://api.test/"),
        ("ftp://api.test:21/", "ftp://api.test/"),
        ("https://[", "https://["),
    ],
)
def test_what_only_looks_like_one_url_is_not(claimed: str, asked: str) -> None:
    text = jwt.signed("proof", {"jwk": dict(KEY.public.jwk)}, {**PROOF, "htu": claimed}, KEY)
    assert refusal(lambda: dpop.verify(text, "GET", asked, NOW_S)) == MISMATCH_URL


def test_a_proof_belongs_to_the_token_whose_hash_is_in_it() -> None:
    def of(ath: Any) -> dpop.Proof:
        text = jwt.signed("proof", {"jwk": dict(KEY.public.jwk)}, changed(PROOF, {"ath": ath}), KEY)
        return dpop.verify(text, "GET", URL, NOW_S, "the token")

    assert of(dpop.token_hash("the token")).thumbprint == KEY.public.thumbprint
    for ath in (GONE, None, 1, "", "\u00e9", dpop.token_hash("another"), dpop.token_hash("the token").lower()):
        assert refusal(lambda ath=ath: of(ath)) == MISMATCH_TOKEN  # type: ignore[misc]
    # The SHA-256 of these three letters is FIPS 180's first example.
    assert dpop.token_hash("abc") == "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"


JWKS: list[tuple[Any, tuple[str, str, str]]] = [
    ("x", ("key", "The proof's jwk is not a JWK.", ANEW)),
    ([], ("key", "The proof's jwk is not a JWK.", ANEW)),
    (
        {**KEY.public.jwk, "d": "x"},
        (
            "key",
            "The proof's key is refused. The JWK has private members.",
            "Send an Ed25519, P-256 or secp256k1 public key.",
        ),
    ),
    ({**KEY.public.jwk, "use": 1}, ("key", "The proof's jwk has members that a public key has not.", ANEW)),
    ({**KEY.public.jwk, "use": "x" * 257}, ("key", "The proof's jwk has members that a public key has not.", ANEW)),
]


@pytest.mark.parametrize(("jwk", "said"), JWKS)
def test_a_proof_s_key_is_a_public_key_and_no_more(jwk: Any, said: tuple[str, str, str]) -> None:
    text = jwt.signed("proof", {"jwk": jwk}, PROOF, KEY)
    assert refusal(lambda: dpop.verify(text, "GET", URL, NOW_S)) == said


def test_a_key_may_say_what_it_is_for() -> None:
    text = jwt.signed("proof", {"jwk": {**KEY.public.jwk, "use": "x" * 256}}, PROOF, KEY)
    assert dpop.verify(text, "GET", URL, NOW_S).thumbprint == KEY.public.thumbprint
