"""Each claim of a token, a proof and an assertion: missing, of another kind, or not ours."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from isthmus.access import jwt, tokens, unproven
from isthmus.access.jwt import Jwt
from isthmus.did.keys import new_private_key
from tests.core.access.edges import (
    ANEW,
    ANOTHER,
    CALLER,
    DID,
    GONE,
    KEY,
    KEY_ID,
    KEYS,
    NOW_S,
    ORIGIN,
    TOKEN,
    URL,
    Keys,
    of_assertion,
    of_proof,
    of_token,
    refusal,
)

TEXTS = [GONE, None, "", 1, ["x"], "x" * 257]


TIMES = [GONE, None, "1", 1.0, True, -1, 2**40 + 1]


MISSING = (
    [(of_proof, "proof", name, value) for name, value in itertools.product(["jti"], TEXTS)]
    + [(of_proof, "proof", "htu", value) for value in [GONE, None, "", 1, URL.ljust(2049, "x")]]
    + [(of_proof, "proof", "iat", value) for value in TIMES]
    + [(of_assertion, "assertion", name, value) for name, value in itertools.product(["jti"], TEXTS)]
    + [(of_assertion, "assertion", "iss", value) for value in [GONE, None, "", 1, DID.ljust(1001, "x")]]
    + [(of_assertion, "assertion", name, value) for name, value in itertools.product(["iat", "exp"], TIMES)]
    + [(of_token, "token", name, value) for name, value in itertools.product(["role", "tenant", "max_msat"], TEXTS)]
    + [(of_token, "token", "sub", value) for value in [GONE, None, "", 1, DID.ljust(1001, "x")]]
    + [(of_token, "token", name, value) for name, value in itertools.product(["iat", "exp", "auth_time"], TIMES)]
)


@pytest.mark.parametrize(("ask", "what", "name", "value"), MISSING)
def test_a_claim_that_is_missing_or_of_another_kind_is_named(
    ask: Callable[..., object], what: str, name: str, value: Any
) -> None:
    said = refusal(lambda: ask(**{name: value}))
    if isinstance(value, float):  # no number in a token is a fraction, whatever claim it stands in
        assert said == ("malformed", f"The {what} is not canonical base64url with strict JSON in it.", ANEW)
    else:
        assert said == ("claims", f"The {what}'s claim {name} is missing or is not what it must be.", ANEW)


def test_the_longest_claims_are_read() -> None:
    assert of_proof(jti="x" * 256).use_id == f"{KEY.public.thumbprint} {'x' * 256}"
    assert of_assertion(jti="x" * 256).use_id == f"{DID} {'x' * 256}"
    assert of_token(sub="x" * 1000).caller.id == "x" * 1000
    assert of_token(auth_time=0).caller.authenticated_ms == 0
    assert of_token(tenant="x" * 256).caller.tenant == "x" * 256


@pytest.mark.parametrize("time_s", [0, 1, 2**40])
def test_the_first_and_the_last_time_are_times(time_s: int) -> None:
    assert Jwt("token", {}, {"iat": time_s}, b"", b"").seconds("iat") == time_s


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("iss", "https://other.test", ("issuer", "The access token was issued by somebody else.", ANOTHER)),
        ("iss", GONE, ("issuer", "The access token was issued by somebody else.", ANOTHER)),
        ("aud", "https://other.test", ("audience", "The access token is meant for somebody else.", ANOTHER)),
        ("aud", [ORIGIN], ("audience", "The access token is meant for somebody else.", ANOTHER)),
        ("role", "king", ("claims", "The access token's claims are not what they must be.", ANOTHER)),
        ("max_msat", "-1", ("claims", "The access token's claims are not what they must be.", ANOTHER)),
        ("max_msat", "\u0661", ("claims", "The access token's claims are not what they must be.", ANOTHER)),
        ("max_msat", "\u00e9", ("claims", "The access token's claims are not what they must be.", ANOTHER)),
        ("scope", ["x"], ("claims", "The access token's claims are not what they must be.", ANOTHER)),
        ("scope", GONE, ("claims", "The access token's claims are not what they must be.", ANOTHER)),
        ("cnf", GONE, ("claims", "The access token is not bound to a key.", ANOTHER)),
        ("cnf", "a" * 43, ("claims", "The access token is not bound to a key.", ANOTHER)),
        ("cnf", {"jwk": "a" * 43}, ("claims", "The access token is not bound to a key.", ANOTHER)),
        ("cnf", {"jkt": "a" * 42}, ("claims", "The access token is not bound to a key.", ANOTHER)),
        ("cnf", {"jkt": "a" * 44}, ("claims", "The access token is not bound to a key.", ANOTHER)),
        ("cnf", {"jkt": ["a"] * 43}, ("claims", "The access token is not bound to a key.", ANOTHER)),
    ],
)
def test_a_token_with_a_claim_that_is_not_ours_is_none(name: str, value: Any, said: tuple[str, str, str]) -> None:
    assert refusal(lambda: of_token(**{name: value})) == said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"aud": "https://other.test"},
            ("audience", "The assertion is meant for somebody else.", "Set aud to this API's origin."),
        ),
        ({"aud": GONE}, ("audience", "The assertion is meant for somebody else.", "Set aud to this API's origin.")),
        ({"sub": "did:x:y"}, ("issuer", "The assertion's sub is not its iss.", "Set both to the caller's DID.")),
        ({"sub": GONE}, ("issuer", "The assertion's sub is not its iss.", "Set both to the caller's DID.")),
        (
            {"iss": "did:x:y", "sub": "did:x:y"},
            ("issuer", "The assertion's key is not its issuer's.", "Sign with a key of the DID in iss."),
        ),
        ({"kid": 1}, ("key", "The assertion's kid names no key.", ANEW)),
        ({"kid": ""}, ("key", "The assertion's kid names no key.", ANEW)),
        ({"kid": DID}, ("key", "The assertion's key id is not a DID with the fragment of its key.", ANEW)),
        (
            {"kid": f"{DID}#{'x' * (2001 - len(DID))}"},
            ("key", "The assertion's key id is not a DID with the fragment of its key.", ANEW),
        ),
        (
            {"kid": f"{DID}#{'x' * (2000 - len(DID))}"},
            ("key", "The assertion's key is not one that its DID authenticates with.", ANEW),
        ),
        ({"kid": f"{DID}#other"}, ("key", "The assertion's key is not one that its DID authenticates with.", ANEW)),
        (
            {"kid": "nobody#x"},
            (
                "did",
                "The DID in the assertion's key id is not valid.",
                "Check the DID: it must be complete and unchanged.",
            ),
        ),
        (
            {"kid": "did:web:x#x"},
            ("did", "DIDs of this method are not resolved here; key and jwk are.", "Use a did:key or a did:jwk."),
        ),
    ],
)
def test_an_assertion_that_is_not_its_issuer_s_is_none(changes: dict[str, Any], said: tuple[str, str, str]) -> None:
    assert refusal(lambda: of_assertion(**changes)) == said


def test_a_key_id_with_two_fragments_is_split_at_the_first() -> None:
    assert refusal(lambda: of_assertion(kid=f"{KEY_ID}#again"))[0] == "key"


def test_a_token_says_all_there_is_to_know_of_a_caller() -> None:
    text = tokens.issue(KEYS, CALLER, ORIGIN, "t" * 43, NOW_S)
    claims = dict(jwt.read(text, "token").claims)

    assert len(claims.pop("jti")) == 22
    assert claims == {
        "iss": ORIGIN,
        "aud": ORIGIN,
        "sub": DID,
        "client_id": DID,
        "iat": NOW_S,
        "exp": NOW_S + 300,
        "auth_time": NOW_S - 7,
        "role": "client",
        "tenant": "acme",
        "scope": "bitcoin:read pipeline:read",
        "max_msat": "21",
        "cnf": {"jkt": "t" * 43},
    }
    assert tokens.verify(text, ORIGIN, NOW_S, KEYS) == tokens.Token(CALLER, "t" * 43)


def test_a_token_by_a_key_that_is_not_ours_is_none() -> None:
    said = ("key", "The access token is signed with a key that is not, or no longer, ours.", ANOTHER)
    assert refusal(lambda: tokens.verify(Keys(key_id="two").sign(TOKEN), ORIGIN, NOW_S, KEYS)) == said
    forged = Keys(new_private_key("ES256")).sign(TOKEN)
    assert refusal(lambda: tokens.verify(forged, ORIGIN, NOW_S, KEYS))[0] == "signature"


def test_what_is_unproven_says_its_code_and_what_to_do() -> None:
    failure = unproven.unproven("code", "It is wrong.")
    assert (failure.code, str(failure)) == ("auth/code", f"It is wrong. {ANEW}")
    assert str(unproven.unproven("code", "It is wrong.", "Do it.")) == "It is wrong. Do it."


def test_an_assertion_says_which_key_its_token_is_for_or_leaves_it_open() -> None:
    assert of_assertion(cnf={"jkt": "a" * 43}).bound_to == "a" * 43
    assert of_assertion().bound_to == ""


@pytest.mark.parametrize("value", [None, "a" * 43, {}, {"jkt": "a" * 42}, {"jkt": "a" * 44}, {"jkt": ["a"] * 43}])
def test_a_cnf_that_names_no_key_is_refused(value: Any) -> None:
    assert refusal(lambda: of_assertion(cnf=value))[0] == "claims"
