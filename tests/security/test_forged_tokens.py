"""Access tokens and DPoP proofs that are forged, stolen, altered or taken for each other: none of them is anybody's.

Every family begins with the same proof unforged, which is accepted: what is refused is refused for what was done to it.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests import forging
from tests.forging import (
    GONE,
    OTHER,
    OTHER_P256,
    PATH,
    Make,
    b64,
    flipped,
    halved,
    hmac_of,
    is_refused,
    loose_bits,
    nothing,
    owner_jwk,
    repacked,
    some,
    unb64,
)
from tests.proofs import ORIGIN, Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def with_token(place: Place, token: str, proof: str) -> dict[str, Any]:
    return place.authorize("GET", PATH, {"authorization": f"DPoP {token}", "dpop": proof})


def proofs() -> dict[str, tuple[str, Callable[[Place, str], str]]]:
    """By what is wrong with the proof: the code of the refusal, and how it is made."""

    def of(**changes: Any) -> Callable[[Place, str], str]:
        return lambda place, token: forging.proof(place, token, **changes)

    def in_header(**changes: Any) -> Callable[[Place, str], str]:
        return of(header=changes)

    def of_key(change: Callable[[dict[str, str]], Any]) -> Callable[[Place, str], str]:
        return lambda place, token: forging.proof(place, token, header={"jwk": change(owner_jwk(place))})

    def altered(change: Callable[[str], str]) -> Callable[[Place, str], str]:
        return lambda place, token: change(forging.proof(place, token))

    def symmetric(place: Place, token: str) -> str:
        return forging.proof(place, token, header={"alg": "HS256"}, sign=hmac_of(owner_jwk(place)))

    def timed(name: str, seconds: int) -> Callable[[Place, str], str]:
        return lambda place, token: forging.proof(place, token, **{name: place.now_s + seconds})

    return {
        "no algorithm and no signature": ("auth/malformed", of(header={"alg": "none"}, sign=nothing)),
        "no algorithm but a signature": ("auth/algorithm", of(header={"alg": "none"}, sign=some)),
        "HMAC with the public key": ("auth/algorithm", symmetric),
        "another curve's algorithm": ("auth/algorithm", in_header(alg="ES256")),
        "algorithm in another case": ("auth/algorithm", in_header(alg="eddsa")),
        "algorithm that is a list": ("auth/algorithm", in_header(alg=["EdDSA"])),
        "a plain JWT's type": ("auth/type", in_header(typ="JWT")),
        "an access token's type": ("auth/type", in_header(typ="at+jwt")),
        "type in another case": ("auth/type", in_header(typ="DPoP+JWT")),
        "no type": ("auth/type", in_header(typ=GONE)),
        "no key": ("auth/header", in_header(jwk=GONE)),
        "a key id beside the key": ("auth/header", in_header(kid="x")),
        "a place to fetch keys from": ("auth/header", in_header(jku="https://evil.test/keys")),
        "a place to fetch certificates from": ("auth/header", in_header(x5u="https://evil.test/cert")),
        "certificates": ("auth/header", in_header(x5c=["MIIB"])),
        "an extension": ("auth/header", in_header(crit=["exp"], exp=1)),
        "an unencoded payload": ("auth/header", in_header(b64=False, crit=["b64"])),
        "a private key in the header": ("auth/key", lambda p, t: forging.proof(p, t, header={"jwk": p.owner.to_jwk()})),
        "a symmetric key": ("auth/key", in_header(jwk={"kty": "oct", "k": "AAAA"})),
        "an RSA key": ("auth/key", in_header(jwk={"kty": "RSA", "n": "AQAB", "e": "AQAB"})),
        "a key that is text": ("auth/key", in_header(jwk="key")),
        "a key that is null": ("auth/key", in_header(jwk=None)),
        "a short key": ("auth/key", of_key(lambda jwk: jwk | {"x": jwk["x"][:40]})),
        "a key in another spelling": ("auth/key", of_key(lambda jwk: jwk | {"x": jwk["x"] + "="})),
        "a key of small order": ("auth/key", of_key(lambda jwk: jwk | {"x": b64(bytes([1]) + bytes(31))})),
        "a key that is no point": ("auth/key", of_key(lambda jwk: jwk | {"x": b64(bytes([2]) + bytes(31))})),
        "a key that names an address": ("auth/signature", lambda p, t: forging.proof(p, t, sign=OTHER.secret.sign)),
        "members that are no text": ("auth/key", of_key(lambda jwk: jwk | {"x5c": ["MIIB"]})),
        "somebody else's key": ("auth/proof-mismatch", of(key=OTHER)),
        "somebody else's key of another kind": ("auth/proof-mismatch", of(key=OTHER_P256)),
        "another method": ("auth/proof-mismatch", of(htm="POST")),
        "the method in another case": ("auth/proof-mismatch", of(htm="get")),
        "no method": ("auth/proof-mismatch", of(htm=GONE)),
        "another path": ("auth/proof-mismatch", of(htu=ORIGIN + "/v1/other")),
        "a longer path": ("auth/proof-mismatch", of(htu=ORIGIN + PATH + "/")),
        "another host": ("auth/proof-mismatch", of(htu="https://evil.test" + PATH)),
        "a host before ours": ("auth/proof-mismatch", of(htu=f"https://evil.test@api.test{PATH}")),
        "another port": ("auth/proof-mismatch", of(htu=f"https://api.test:8443{PATH}")),
        "plain HTTP": ("auth/proof-mismatch", of(htu="http://api.test" + PATH)),
        "a URL with a query": ("auth/proof-mismatch", of(htu=ORIGIN + PATH + "?a=1")),
        "a URL with a fragment": ("auth/proof-mismatch", of(htu=ORIGIN + PATH + "#a")),
        "a path alone": ("auth/proof-mismatch", of(htu=PATH)),
        "a URL that is none": ("auth/proof-mismatch", of(htu="https://[")),
        "no URL": ("auth/claims", of(htu=GONE)),
        "a URL that is a list": ("auth/claims", of(htu=[ORIGIN + PATH])),
        "another token's hash": ("auth/proof-mismatch", of(ath=b64(hashlib.sha256(b"other").digest()))),
        "no token's hash": ("auth/proof-mismatch", of(ath=GONE)),
        "a hash that is no text": ("auth/proof-mismatch", of(ath=5)),
        "a hash that is not ASCII": ("auth/proof-mismatch", of(ath="\u00e9" * 43)),
        "made 61 seconds ago": ("auth/proof-expired", timed("iat", -61)),
        "made in 11 seconds": ("auth/not-yet", timed("iat", 11)),
        "made at no time": ("auth/claims", of(iat=GONE)),
        "made at a time that is text": ("auth/claims", lambda p, t: forging.proof(p, t, iat=str(p.now_s))),
        "made at a time that is a fraction": ("auth/malformed", lambda p, t: forging.proof(p, t, iat=p.now_s + 0.5)),
        "made at a time that is true": ("auth/claims", of(iat=True)),
        "made before all time": ("auth/claims", of(iat=-1)),
        "made after all time": ("auth/claims", of(iat=2**64)),
        "no id": ("auth/claims", of(jti=GONE)),
        "an empty id": ("auth/claims", of(jti="")),
        "an id that is a number": ("auth/claims", of(jti=5)),
        "an id without end": ("auth/claims", of(jti="x" * 257)),
        "altered claims": (
            "auth/signature",
            altered(lambda text: repacked(text, 1, lambda c: c.replace('"jti": "', '"jti": "0'))),
        ),
        "an altered signature": ("auth/signature", altered(flipped)),
        "half a signature": ("auth/signature", altered(halved)),
        "no signature": ("auth/malformed", altered(lambda text: text.rpartition(".")[0] + ".")),
        "two parts": ("auth/malformed", altered(lambda text: text.rpartition(".")[0])),
        "five parts": ("auth/malformed", altered(lambda text: text + ".a.b")),
        "two proofs in one header": ("auth/malformed", lambda p, t: f"{forging.proof(p, t)}, {forging.proof(p, t)}"),
        "two proofs joined without a space": (
            "auth/malformed",
            lambda p, t: f"{forging.proof(p, t)},{forging.proof(p, t)}",
        ),
        "padding": ("auth/malformed", altered(lambda text: text + "==")),
        "a last character with bits left over": ("auth/malformed", altered(loose_bits)),
        "a line end": ("auth/malformed", altered(lambda text: text + "\n")),
        "standard base64": ("auth/malformed", altered(lambda text: text[:20] + "+" + text[21:])),
        "an empty text": ("auth/malformed", altered(lambda text: "")),
        "4,097 characters": ("auth/malformed", of(filler="x" * 4096)),
        "a claim twice": ("auth/malformed", lambda p, t: again(p, t, 1, "htm")),
        "a header member twice": ("auth/malformed", lambda p, t: again(p, t, 0, "alg")),
        "claims that are a list": ("auth/malformed", lambda p, t: from_parts(p, t, claims="[1]")),
        "a header that is text": ("auth/malformed", lambda p, t: from_parts(p, t, header='"alg"')),
        "claims that are no JSON": ("auth/malformed", lambda p, t: from_parts(p, t, claims="{")),
        "a number that is none": ("auth/malformed", of(extra=float("nan"))),
        "nesting without end": ("auth/malformed", lambda p, t: from_parts(p, t, claims="[" * 1400)),
        "nesting that is deep": ("auth/malformed", lambda p, t: from_parts(p, t, claims='{"a":' * 20 + "1" + "}" * 20)),
        "the access token": ("auth/type", lambda place, token: token),
        "an assertion": ("auth/type", lambda place, token: place.assertion()),
    }


def again(place: Place, token: str, part: int, name: str) -> str:
    """A correctly signed proof with a member twice in one of its parts."""
    parts = [unb64(text).decode() for text in forging.proof(place, token).split(".")[:2]]
    members = json.loads(parts[part])
    parts[part] = parts[part][:-1] + f', "{name}": {json.dumps(members[name])}}}'
    return forging.compact(parts[0], parts[1], place.owner.secret.sign)


def from_parts(place: Place, token: str, header: str | None = None, claims: str | None = None) -> str:
    """A correctly signed proof with another text for a part."""
    parts = [unb64(text).decode() for text in forging.proof(place, token).split(".")[:2]]
    return forging.compact(header or parts[0], claims or parts[1], place.owner.secret.sign)


def tokens() -> dict[str, tuple[str, Make]]:
    """By what is wrong with the access token; the proof that comes with it is right."""

    def of(**changes: Any) -> Make:
        return lambda place: forging.token(place, **changes)

    def in_header(**changes: Any) -> Make:
        return of(header=changes)

    def altered(change: Callable[[str], str]) -> Make:
        return lambda place: change(forging.token(place))

    def symmetric(place: Place) -> str:
        ((_, jwk),) = place.keys.public().items()
        return forging.token(place, header={"alg": "HS256"}, sign=hmac_of(dict(jwk)))

    def own_key_named(place: Place) -> str:
        kid = OTHER_P256.secret.public.thumbprint
        return forging.token(place, header={"kid": kid}, sign=OTHER_P256.secret.sign)

    def timed(**seconds: int) -> Make:
        return lambda place: forging.token(place, **{name: place.now_s + value for name, value in seconds.items()})

    def promoted(place: Place) -> str:
        return repacked(forging.token(place, role="client"), 1, lambda claims: claims.replace("client", "owner"))

    return {
        "no algorithm and no signature": ("auth/malformed", of(header={"alg": "none"}, sign=nothing)),
        "no algorithm but a signature": ("auth/algorithm", of(header={"alg": "none"}, sign=some)),
        "HMAC with the public key": ("auth/algorithm", symmetric),
        "another algorithm": ("auth/algorithm", in_header(alg="ES384")),
        "the caller's own key": ("auth/key", own_key_named),
        "the caller's own key under our id": ("auth/signature", of(sign=OTHER_P256.secret.sign)),
        "a key id that is a path": ("auth/key", in_header(kid="../../../dev/null")),
        "a key id that is a query": ("auth/key", in_header(kid="' OR 1=1 --")),
        "a key id that is a number": ("auth/key", in_header(kid=0)),
        "an empty key id": ("auth/key", in_header(kid="")),
        "no key id": ("auth/header", in_header(kid=GONE)),
        "a place to fetch keys from": ("auth/header", in_header(jku="https://evil.test/keys")),
        "a place to fetch certificates from": ("auth/header", in_header(x5u="https://evil.test/cert")),
        "a key in the header": ("auth/header", in_header(jwk=dict(OTHER_P256.secret.public.jwk))),
        "a plain JWT's type": ("auth/type", in_header(typ="JWT")),
        "a proof's type": ("auth/type", in_header(typ="dpop+jwt")),
        "no type": ("auth/type", in_header(typ=GONE)),
        "a higher role": ("auth/signature", promoted),
        "an altered signature": ("auth/signature", altered(flipped)),
        "half a signature": ("auth/signature", altered(halved)),
        "a signature of zeros": ("auth/signature", of(sign=some)),
        "a signature as DER": ("auth/signature", of(sign=lambda message: encode_dss_signature(1, 1))),
        "the first half": ("auth/malformed", altered(lambda text: text[: len(text) // 2])),
        "a last character with bits left over": ("auth/malformed", altered(loose_bits)),
        "expired": ("auth/token-expired", timed(iat=-300, exp=0)),
        "issued in the future": ("auth/not-yet", timed(iat=11, exp=300)),
        "good for longer than any": ("auth/not-yet", timed(exp=301)),
        "no end": ("auth/claims", of(exp=GONE)),
        "an end that is text": ("auth/claims", of(exp="9999999999")),
        "another issuer": ("auth/issuer", of(iss="https://evil.test")),
        "another audience": ("auth/audience", of(aud="https://other.test")),
        "several audiences": ("auth/audience", of(aud=[ORIGIN, "https://other.test"])),
        "no audience": ("auth/audience", of(aud=GONE)),
        "bound to nothing": ("auth/claims", of(cnf=GONE)),
        "bound to an empty thing": ("auth/claims", of(cnf={"jkt": ""})),
        "bound to another key": ("auth/proof-mismatch", of(cnf={"jkt": OTHER.secret.public.thumbprint})),
        "no subject": ("auth/claims", of(sub=GONE)),
        "a role that is none": ("auth/claims", of(role="root")),
        "a limit below nothing": ("auth/claims", of(max_msat="-1")),
        "a limit in other digits": ("auth/claims", of(max_msat="\u0665")),
        "an assertion": ("auth/type", lambda place: place.assertion()),
        "a proof": ("auth/type", lambda place: place.proof("GET", PATH)),
        "more than 8,192 characters": ("auth/malformed", of(filler="x" * 6000)),
        "nothing": ("auth/malformed", lambda place: ""),
    }


def test_the_unforged_token_and_proof_are_the_owner_s(place: Place) -> None:
    for token in (place.token(), forging.token(place)):
        assert with_token(place, token, forging.proof(place, token))["id"] == place.owner.did


@pytest.mark.parametrize("what", proofs())
def test_a_forged_proof_is_refused(place: Place, what: str) -> None:
    code, make = proofs()[what]
    token = place.token()
    proof = make(place, token)
    is_refused(with_token(place, token, proof), code, *proof.split("."), token)


@pytest.mark.parametrize("what", tokens())
def test_a_forged_token_is_refused(place: Place, what: str) -> None:
    code, make = tokens()[what]
    token = make(place)
    is_refused(with_token(place, token, forging.proof(place, token)), code, *token.split("."))


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer {token}",
        "DPoP",
        "{token}",
        "Basic b3duZXI6c2VjcmV0",
        "DPoP {token}, DPoP {token}",
        "DPoP  {token}",
        "Bearer isk_0000",
        "",
    ],
)
def test_a_token_that_does_not_come_as_it_must_is_refused(place: Place, authorization: str) -> None:
    token = place.token()
    headers = {"authorization": authorization.format(token=token), "dpop": forging.proof(place, token)}
    found = place.authorize("GET", PATH, headers)
    assert found["refused"]["code"] in ("auth/scheme", "auth/malformed")


def test_a_bound_token_is_worth_nothing_without_a_proof(place: Place) -> None:
    is_refused(place.authorize("GET", PATH, {"authorization": f"DPoP {place.token()}"}), "auth/scheme")


def test_a_proof_alone_is_no_proof(place: Place) -> None:
    is_refused(place.authorize("GET", PATH, {"dpop": place.proof("GET", PATH)}), "auth/scheme")


def test_a_request_with_two_kinds_of_proof_is_refused(place: Place) -> None:
    token = place.token()
    both = {"authorization": f"DPoP {token}", "dpop": forging.proof(place, token)} | forging.signature(place)
    is_refused(place.authorize("GET", PATH, both), "auth/scheme")


def test_a_token_of_another_deployment_is_refused(place: Place, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Place(tmp_path / "other")
    other.owner = place.owner
    token = forging.token(other)
    is_refused(with_token(place, token, forging.proof(place, token)), "auth/key")


def test_a_token_is_refused_when_its_key_has_been_out_of_use_for_a_quarter_of_an_hour(place: Place) -> None:
    place.token()
    old = place.keys._keys()[-1]
    place.keys.add()
    place.clock.now += 15 * 60 * 1000
    token = forging.token(place, header={"kid": old.id}, sign=old.secret.sign)
    is_refused(with_token(place, token, forging.proof(place, token)), "auth/key")
