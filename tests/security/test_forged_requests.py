"""Assertions and signed requests that are forged, stolen, altered or taken for another: none of them is anybody's.

Every family begins with the same proof unforged, which is accepted: what is refused is refused for what was done to it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from functions.auth.create_token import create_token
from isthmus import wiring
from isthmus.did import jwk as did_jwk
from tests import forging
from tests.forging import (
    COVERED,
    GONE,
    OTHER,
    PATH,
    Make,
    flipped,
    hmac_of,
    is_refused,
    loose_bits,
    nothing,
    owner_jwk,
    repacked,
    some,
)
from tests.proofs import ORIGIN, Place, request


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def asking(place: Place, assertion: str) -> dict[str, Any]:
    answer = place.ask_token(assertion, place.proof("POST", "/v1/auth/token"))
    return {"status": answer["statusCode"], **json.loads(answer["body"])}


def assertions() -> dict[str, tuple[str, Make]]:
    """By what is wrong with the assertion; the proof that comes with it is right."""

    def of(**changes: Any) -> Make:
        return lambda place: forging.assertion(place, **changes)

    def in_header(**changes: Any) -> Make:
        return of(header=changes)

    def altered(change: Callable[[str], str]) -> Make:
        return lambda place: change(forging.assertion(place))

    def timed(**seconds: int) -> Make:
        return lambda place: forging.assertion(place, **{name: place.now_s + value for name, value in seconds.items()})

    def as_did(did: str, fragment: str = "#0") -> Make:
        return of(iss=did, sub=did, header={"kid": did + fragment})

    def encryption_key(place: Place) -> str:
        did = did_jwk.did_of({**owner_jwk(place), "use": "enc"})
        return forging.assertion(place, iss=did, sub=did, header={"kid": did + "#0"})

    def jwk_did(**members: Any) -> Make:
        def make(place: Place) -> str:
            did = did_jwk.did_of({**owner_jwk(place), **members})
            return forging.assertion(place, iss=did, sub=did, header={"kid": did + "#0"})

        return make

    def symmetric(place: Place) -> str:
        return forging.assertion(place, header={"alg": "HS256"}, sign=hmac_of(owner_jwk(place)))

    return {
        "no algorithm and no signature": ("auth/malformed", of(header={"alg": "none"}, sign=nothing)),
        "no algorithm but a signature": ("auth/algorithm", of(header={"alg": "none"}, sign=some)),
        "HMAC with the public key": ("auth/algorithm", symmetric),
        "another curve's algorithm": ("auth/algorithm", in_header(alg="ES256K")),
        "signed by somebody else": ("auth/signature", of(sign=OTHER.secret.sign)),
        "an altered signature": ("auth/signature", altered(flipped)),
        "altered claims": (
            "auth/signature",
            altered(lambda text: repacked(text, 1, lambda c: c.replace('"jti": "', '"jti": "0'))),
        ),
        "the key of another DID": ("auth/issuer", in_header(kid=OTHER.key_id)),
        "the name of another DID": ("auth/issuer", of(iss=OTHER.did, sub=OTHER.did)),
        "another subject": ("auth/issuer", of(sub=OTHER.did)),
        "no subject": ("auth/issuer", of(sub=GONE)),
        "no issuer": ("auth/claims", of(iss=GONE)),
        "a key that is not in the document": (
            "auth/key",
            lambda p: forging.assertion(p, header={"kid": p.owner.did + "#other"}),
        ),
        "a DID without a key": ("auth/key", lambda p: forging.assertion(p, header={"kid": p.owner.did})),
        "a key id that is a list": ("auth/key", in_header(kid=["a"])),
        "a key id that is a path": ("auth/key", in_header(kid="../../../dev/null")),
        "a key for encryption": ("auth/key", encryption_key),
        "a DID with a private key in it": ("auth/did", jwk_did(d="AAAA")),
        "a DID with another use": ("auth/did", jwk_did(use="all")),
        "a DID with another algorithm in it": ("auth/did", jwk_did(alg="HS256")),
        "a DID of a method that is not resolved": ("auth/did", as_did("did:web:evil.test")),
        "a DID that is none": ("auth/did", as_did("did:key:zzz")),
        "a DID that is too long": ("auth/claims", of(iss="did:key:z" + "6" * 1000, sub="did:key:z" + "6" * 1000)),
        "an address of a key": ("auth/did", as_did("https://evil.test/keys")),
        "another audience": ("auth/audience", of(aud="https://other.test")),
        "several audiences": ("auth/audience", of(aud=[ORIGIN])),
        "another path of ours": ("auth/audience", of(aud=ORIGIN + PATH)),
        "no audience": ("auth/audience", of(aud=GONE)),
        "expired": ("auth/assertion-expired", timed(iat=-30, exp=0)),
        "old": ("auth/assertion-expired", timed(iat=-61, exp=-1)),
        "made in the future": ("auth/not-yet", timed(iat=11, exp=70)),
        "good for 61 seconds": ("auth/claims", timed(exp=61)),
        "an end before its beginning": ("auth/claims", timed(exp=-1)),
        "no end": ("auth/claims", of(exp=GONE)),
        "no beginning": ("auth/claims", of(iat=GONE)),
        "no id": ("auth/claims", of(jti=GONE)),
        "a token's type": ("auth/type", in_header(typ="at+jwt")),
        "no type": ("auth/type", in_header(typ=GONE)),
        "a key in the header": ("auth/header", lambda p: forging.assertion(p, header={"jwk": owner_jwk(p)})),
        "a place to fetch keys from": ("auth/header", in_header(jku="https://evil.test/keys")),
        "the access token": ("auth/type", lambda place: place.token()),
        "a proof": ("auth/type", lambda place: place.proof("POST", "/v1/auth/token")),
        "a last character with bits left over": ("auth/malformed", altered(loose_bits)),
    }


def signatures() -> dict[str, tuple[str, Callable[[Place], dict[str, str]]]]:
    """By what is wrong with the signed request: the headers of a POST."""

    def of(**changes: Any) -> Callable[[Place], dict[str, str]]:
        return lambda place: forging.signature(place, **changes)

    def timed(**seconds: int) -> Callable[[Place], dict[str, str]]:
        return lambda place: forging.signature(place, **{name: place.now_s + value for name, value in seconds.items()})

    def without(component: str) -> Callable[[Place], dict[str, str]]:
        return of(covered=tuple(one for one in COVERED if one != component))

    def signed(**values: str) -> Callable[[Place], dict[str, str]]:
        names = {"method": '"@method"', "authority": '"@authority"', "path": '"@path"', "query": '"@query"'}
        return of(values={names[name]: value for name, value in values.items()})

    def header(name: str, change: Callable[[str], str]) -> Callable[[Place], dict[str, str]]:
        def make(place: Place) -> dict[str, str]:
            made = forging.signature(place)
            return made | {name: change(made[name])}

        return make

    def lacking(name: str) -> Callable[[Place], dict[str, str]]:
        return lambda place: {key: value for key, value in forging.signature(place).items() if key != name}

    def two(place: Place) -> dict[str, str]:
        one, other = forging.signature(place), forging.signature(place, label="other")
        return one | {name: f"{one[name]}, {other[name]}" for name in ("signature", "signature-input")}

    return {
        "of another method": ("auth/signature", signed(method="PUT")),
        "of another host": ("auth/signature", signed(authority="evil.test")),
        "of another path": ("auth/signature", signed(path="/v1/other")),
        "of another query": ("auth/signature", signed(query="?a=1")),
        "of another body": ("auth/signature", header("content-digest", lambda text: text.replace("47", "48"))),
        "the method not covered": ("auth/coverage", without('"@method"')),
        "the host not covered": ("auth/coverage", without('"@authority"')),
        "the path not covered": ("auth/coverage", without('"@path"')),
        "the query not covered": ("auth/coverage", without('"@query"')),
        "the body not covered": ("auth/coverage", without('"content-digest"')),
        "nothing covered": ("auth/coverage", of(covered=())),
        "the path covered in another's request": (
            "auth/coverage",
            of(covered=(*COVERED[:2], '"@path";req', *COVERED[3:]), values={'"@path";req': PATH}),
        ),
        "a component twice": ("auth/signature", of(covered=(*COVERED, '"@path"'))),
        "a component that is not there": (
            "auth/signature",
            of(covered=(*COVERED, '"x-other"'), values={'"x-other"': ""}),
        ),
        "no digest in the request": ("auth/signature", lacking("content-digest")),
        "no nonce": ("auth/claims", of(nonce=GONE)),
        "an empty nonce": ("auth/claims", of(nonce="")),
        "a nonce that is a number": ("auth/claims", of(nonce=5)),
        "no beginning": ("auth/claims", of(created=GONE)),
        "a beginning that is text": ("auth/claims", of(created="now")),
        "no end": ("auth/claims", of(expires=GONE)),
        "good for 61 seconds": ("auth/claims", timed(expires=61)),
        "expired": ("auth/signature-expired", timed(created=-30, expires=0)),
        "old": ("auth/signature-expired", timed(created=-61, expires=-1)),
        "made in the future": ("auth/not-yet", timed(created=11, expires=70)),
        "no tag": ("auth/type", of(tag=GONE)),
        "another application's tag": ("auth/type", of(tag="web-bot-auth")),
        "no key": ("auth/claims", of(keyid=GONE)),
        "another's key id": ("auth/signature", of(keyid=OTHER.key_id)),
        "a key id that is no DID": ("auth/did", of(keyid="https://evil.test/keys#1")),
        "a DID without a key": ("auth/key", lambda place: forging.signature(place, keyid=place.owner.did)),
        "a key that its DID does not have": ("auth/key", lambda p: forging.signature(p, keyid=p.owner.did + "#other")),
        "a DID that is not resolved": ("auth/did", of(keyid="did:web:evil.test#1")),
        "another algorithm": ("auth/algorithm", of(alg="ecdsa-p256-sha256")),
        "a symmetric algorithm": ("auth/algorithm", of(alg="hmac-sha256")),
        "an unknown parameter": ("auth/signature", of(extra="x")),
        "a stranger's": ("auth/unknown-caller", of(key=OTHER)),
        "an altered signature": (
            "auth/signature",
            header("signature", lambda text: text[:10] + ("A" if text[10] != "A" else "B") + text[11:]),
        ),
        "an empty signature": ("auth/signature", header("signature", lambda text: "did=::")),
        "a signature that is text": ("auth/signature", header("signature", lambda text: 'did="abc"')),
        "a signature that is no list": ("auth/malformed", header("signature", lambda text: "\u2028")),
        "an altered end": (
            "auth/signature",
            header("signature-input", lambda text: text.replace(";tag=", ";tag=").replace('nonce="', 'nonce="0')),
        ),
        "no signature": ("auth/malformed", lacking("signature")),
        "no input": ("auth/malformed", lacking("signature-input")),
        "two signatures": ("auth/malformed", two),
        "another label": ("auth/malformed", header("signature", lambda text: text.replace("did=", "other="))),
        "an input that is text": ("auth/malformed", header("signature-input", lambda text: 'did="x"')),
        "an input that cannot be read": ("auth/malformed", header("signature-input", lambda text: text + '"')),
        "the same label twice": ("auth/malformed", header("signature-input", lambda text: f"{text}, {text}")),
        "an input without end": ("auth/malformed", header("signature-input", lambda text: text + " " * 6000)),
    }


def test_the_unforged_assertion_is_the_owner_s(place: Place) -> None:
    assert asking(place, forging.assertion(place))["status"] == 200


def test_the_unforged_signature_is_the_owner_s(place: Place) -> None:
    assert place.authorize("POST", PATH, forging.signature(place))["id"] == place.owner.did


@pytest.mark.parametrize("what", assertions())
def test_a_forged_assertion_is_refused(place: Place, what: str) -> None:
    code, make = assertions()[what]
    assertion = make(place)
    answer = asking(place, assertion)
    assert (answer["status"], answer["type"]) == (401, f"/problems/unauthenticated/{code}")
    assert "access_token" not in answer
    assert [part for part in assertion.split(".") if len(part) > 8 and part in json.dumps(answer)] == []


@pytest.mark.parametrize("what", signatures())
def test_a_forged_signature_is_refused(place: Place, what: str) -> None:
    code, make = signatures()[what]
    headers = make(place)
    is_refused(place.authorize("POST", PATH, headers), code, headers.get("signature", ""))


def test_a_signed_request_with_another_body_is_refused_before_anything_is_done_with_it(place: Place) -> None:
    body = json.dumps({"assertion": place.assertion()})
    headers = place.signed("POST", "/v1/auth/token", body.encode()) | {
        "content-type": "application/json",
        "dpop": place.proof("POST", "/v1/auth/token"),
    }
    signed = {name: value for name, value in headers.items() if name != "dpop"}
    assert place.authorize("POST", "/v1/auth/token", signed)["id"] == place.owner.did
    with wiring.replaced(place.ports):
        altered = create_token(request("POST", "/v1/auth/token", headers, body + " "), None)
        emptied = create_token(request("POST", "/v1/auth/token", headers), None)
        as_sent = create_token(request("POST", "/v1/auth/token", headers, body), None)

    assert [one["statusCode"] for one in (altered, emptied, as_sent)] == [400, 400, 200]
    assert json.loads(altered["body"])["type"] == "/problems/invalid/request/digest"
