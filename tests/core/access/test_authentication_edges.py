"""Which proof a request has, in which order it is looked at, and what is noted of it."""

import hashlib
from typing import Any

import pytest

from isthmus.access import api_keys, proving
from isthmus.access.authentication import Known, Sent, authenticate, known_caller
from isthmus.access.budgets import NOTHING
from isthmus.access.caller import Caller
from isthmus.access.replay import once
from isthmus.failure import Failure, Unauthenticated
from isthmus.fields import MAX_MSAT
from isthmus.storage.table import Item
from tests.proofs import HOST, ORIGIN, Place

SCHEME = "Send one of: a DPoP access token with its proof, a signature (RFC 9421), or an API key as Bearer."
HOSTED = {"host": HOST, "x-forwarded-proto": "https"}
PATH = "/v1/things"


def sent(headers: dict[str, str], method: str = "GET", path: str = PATH, query: str = "") -> Sent:
    return Sent(method, path, query, HOSTED | headers)


def refusal(place: Place, asked: Sent) -> tuple[str, str, str]:
    with pytest.raises(Unauthenticated) as refused:
        authenticate(asked, place.known)
    return refused.value.code, refused.value.detail, refused.value.next_step


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({"dpop": "x"}, "There is a DPoP proof, but no access token."),
        ({"dpop": "x", "signature": "x", "signature-input": "x"}, "There is a DPoP proof, but no access token."),
        ({"authorization": "DPoP x", "signature": "x"}, "The request has several proofs."),
        ({"authorization": "DPoP x", "signature-input": "x"}, "The request has several proofs."),
        ({"authorization": "Bearer x"}, "The header authorization holds no proof that is known here."),
        ({"authorization": "Bearer isk_x", "dpop": "x"}, "The header authorization holds no proof that is known here."),
        ({"authorization": "Basic isk_x"}, "The header authorization holds no proof that is known here."),
        ({"authorization": ""}, "The header authorization holds no proof that is known here."),
    ],
)
def test_a_request_has_one_proof_of_a_kind_that_is_known(place: Place, headers: dict[str, str], detail: str) -> None:
    assert refusal(place, sent(headers)) == ("auth/scheme", detail, SCHEME)


def test_a_token_without_a_proof_is_nobody_s(place: Place) -> None:
    assert refusal(place, sent({"authorization": f"DPoP {place.token()}"})) == (
        "auth/scheme",
        "The access token comes without a DPoP proof.",
        "Send a proof in the header DPoP.",
    )


@pytest.mark.parametrize("name", ["signature", "signature-input"])
def test_half_a_signature_is_a_claim_that_is_not_proven(place: Place, name: str) -> None:
    headers = place.signed("GET", PATH)
    assert refusal(place, sent({name: headers[name]}))[0] == "auth/malformed"


def test_a_proof_by_another_key_than_the_token_s_is_refused(place: Place) -> None:
    token = place.token()
    proof = place.proof("GET", PATH, token, key=proving.new_key())
    assert refusal(place, sent({"authorization": f"DPoP {token}", "dpop": proof})) == (
        "auth/proof-mismatch",
        "The proof is made with another key than the access token's.",
        "Make a new proof for this very request.",
    )


def test_a_stranger_is_proven_but_not_let_in(place: Place) -> None:
    stranger = proving.new_key()
    assert refusal(place, sent(place.signed("GET", PATH, key=stranger))) == (
        "auth/unknown-caller",
        "The DID is proven, but has no role here.",
        "Ask the owner to grant this DID a role.",
    )


def test_the_owner_is_known_without_an_item(place: Place) -> None:
    assert known_caller(place.owner.did, place.known, 5) == Caller(
        "did", place.owner.did, "owner", "main", ("*",), 5, MAX_MSAT
    )


def test_an_api_key_is_used_for_a_method_and_a_path(place: Place) -> None:
    owner = known_caller(place.owner.did, place.known, place.clock.now)
    wish = api_keys.Wish("one", "client", ("bitcoin:read",), 90, NOTHING)
    key, secret = api_keys.create(place.table, place.owner.did, owner, wish, place.clock.now)
    place.clock.now += 1500

    for scheme in ("Bearer", "bearer"):
        caller = authenticate(
            sent({"authorization": f"{scheme} {secret.get_secret_value()}"}, "POST", "/v1/a b", "c=d"), place.known
        )
        assert caller is not None
        assert (caller.kind, caller.id, caller.authenticated_ms) == ("key", key.key_id, place.clock.now)
    noted, _ = api_keys.uses(place.table, "main", key.key_id, 5)
    assert noted == [api_keys.Use(place.clock.now, "POST /v1/a b")] * 2


class Noting:
    """A table that takes every note."""

    def __init__(self) -> None:
        self.puts: list[tuple[Any, ...]] = []

    def get(self, pk: str, sk: str) -> Item | None:
        return None

    def put(self, pk: str, sk: str, item: Item, *, when: Any = None) -> None:
        self.puts.append((pk, sk, item, when))


def noted(place: Place, asked: Sent) -> list[tuple[Any, ...]]:
    table: Any = Noting()
    known = Known(table, place.keys, place.known.resolver, place.known.deployment, place.clock)
    assert authenticate(asked, known) is not None
    found: list[tuple[Any, ...]] = table.puts
    return found


def test_a_proof_s_use_is_noted_until_it_would_be_too_old(place: Place) -> None:
    token = place.token()
    (by_token,) = noted(place, sent({"authorization": f"DPoP {token}", "dpop": place.proof("GET", PATH, token)}))
    (by_signature,) = noted(place, sent(place.signed("GET", PATH)))

    for pk, sk, item, when in (by_token, by_signature):
        assert pk.startswith("access/once/")
        assert (sk, item, repr(when)) == ("-", {"expires_at": place.now_s + 60 + 60}, "Absent()")
    assert by_token[0] != by_signature[0]


def test_an_id_of_one_kind_is_used_once_and_says_nothing_of_itself(place: Place) -> None:
    table: Any = Noting()
    once(table, "proof", "the id", 1000)
    name = hashlib.sha256(b"proof the id").hexdigest()
    assert [put[:3] for put in table.puts] == [(f"access/once/{name}", "-", {"expires_at": 1060})]

    once(place.table, "proof", "the id", place.now_s)
    once(place.table, "signature", "the id", place.now_s)
    once(place.table, "proof", "another id", place.now_s)
    with pytest.raises(Unauthenticated) as refused:
        once(place.table, "proof", "the id", place.now_s)
    assert (refused.value.code, str(refused.value)) == (
        "auth/proof-replayed",
        "This proof was used before; each serves one request. Make a new proof for this very request.",
    )


@pytest.mark.parametrize("path", ["/v1/a b", "/v1/\u00e9", "/v1/a%2Fb", "/v1/a;b=c,d"])
def test_a_path_is_the_same_to_both_proofs_however_it_is_written(place: Place, path: str) -> None:
    from urllib.parse import quote

    token = place.token()
    proof = proving.dpop(place.owner, "GET", ORIGIN + quote(path), place.now_s, token)
    by_token = sent({"authorization": f"DPoP {token}", "dpop": proof}, path=path)
    by_signature = sent(place.signed("GET", quote(path)), path=path)

    for asked in (by_token, by_signature):
        caller = authenticate(asked, place.known)
        assert caller is not None
        assert caller.id == place.owner.did


def test_a_request_without_a_host_is_no_request(place: Place) -> None:
    with pytest.raises(Failure) as refused:
        authenticate(Sent("GET", PATH, "", place.signed("GET", PATH)), place.known)
    assert refused.value.kind == "invalid"
