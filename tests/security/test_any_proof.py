"""Whatever stands in the headers: it is refused in our own words, and never a defect."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.access.authentication import Sent, authenticate
from isthmus.access.granting import grant
from isthmus.failure import Malformed, Unauthenticated
from tests import forging
from tests.forging import PATH
from tests.proofs import HOST, ORIGIN, Place

TEXT = st.one_of(
    st.text(max_size=60),
    st.text(alphabet='did=();:"@, \\-_aA09+/.%?#\t', max_size=80),
    st.from_regex(r"(DPoP|Bearer|dpop) [A-Za-z0-9_.~+/-]{0,60}=?", fullmatch=True),
    st.from_regex(r'did=\("@method" "@path"\)(;[a-z]+=("[a-z:#]*"|[0-9]{1,16}|:[A-Za-z]{4}:))*', fullmatch=True),
)
HEADERS = st.dictionaries(
    st.sampled_from(["authorization", "dpop", "signature", "signature-input", "content-digest", "host"]), TEXT
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder:
        yield Place(Path(folder))


@given(HEADERS, st.text(max_size=30), st.text(max_size=30))
@settings(max_examples=400, deadline=None)
def test_headers_of_any_kind_prove_nobody(place: Place, headers: dict[str, str], path: str, query: str) -> None:
    proven = {"authorization", "dpop", "signature", "signature-input"} & headers.keys()
    try:
        caller = authenticate(Sent("POST", path, query, {"host": HOST, **headers}), place.known)
    except (Unauthenticated, Malformed):
        assert proven
    else:
        assert (caller, proven) == (None, set())


@given(st.sampled_from(["iat", "jti", "htm", "htu", "ath", "extra"]), JSON)
@settings(max_examples=200, deadline=None)
def test_any_claim_of_any_kind_is_accepted_or_refused(place: Place, name: str, value: object) -> None:
    token = forging.token(place)
    headers = {"host": HOST, "authorization": f"DPoP {token}", "dpop": forging.proof(place, token, **{name: value})}
    try:
        accepted = authenticate(Sent("GET", PATH, "", headers), place.known) is not None
    except Unauthenticated:
        accepted = False
    assert not accepted or name in ("extra", "jti")


@given(st.sampled_from(["iss", "sub", "aud", "iat", "exp", "jti"]), JSON)
@settings(max_examples=200, deadline=None)
def test_any_claim_of_an_assertion_is_accepted_or_refused(place: Place, name: str, value: object) -> None:
    assertion, proof = forging.assertion(place, **{name: value}), place.proof("POST", "/v1/auth/token")
    try:
        grant(assertion, proof, (), ORIGIN, place.known, place.keys)
        accepted = True
    except Unauthenticated:
        accepted = False
    assert not accepted or name == "jti"


@given(st.integers(min_value=0, max_value=10_000), st.sampled_from("ABab09-_.=,"), st.sampled_from(["token", "proof"]))
@settings(max_examples=300, deadline=None)
def test_no_character_of_a_token_or_a_proof_can_be_another(place: Place, at: int, letter: str, of: str) -> None:
    token = forging.token(place)
    proof = forging.proof(place, token)
    text = token if of == "token" else proof
    changed = text[: at % len(text)] + letter + text[at % len(text) + 1 :]
    said = (changed, proof) if of == "token" else (token, changed)
    headers = {"host": HOST, "authorization": f"DPoP {said[0]}", "dpop": said[1]}
    if changed == text:
        assert authenticate(Sent("GET", PATH, "", headers), place.known) is not None
        return
    with pytest.raises(Unauthenticated):
        authenticate(Sent("GET", PATH, "", headers), place.known)


def test_half_a_character_is_no_id(place: Place) -> None:
    token = forging.token(place)
    headers = {"host": HOST, "authorization": f"DPoP {token}", "dpop": forging.proof(place, token, jti="\ud800")}
    with pytest.raises(Unauthenticated) as refused:
        authenticate(Sent("GET", PATH, "", headers), place.known)
    assert refused.value.code == "auth/malformed"
