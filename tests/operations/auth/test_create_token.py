import json
from dataclasses import replace
from typing import Any

import pytest

from isthmus.access import principals, proving, tokens
from isthmus.access.caller import Caller
from isthmus.access.principals import Principal
from tests.proofs import ORIGIN, TOKEN_URL, Place


def refused(answer: dict[str, Any]) -> tuple[int, str]:
    return answer["statusCode"], json.loads(answer["body"])["type"]


def granted(place: Place, key: proving.PrivateKey, **changes: Any) -> Principal:
    """Let a DID be a principal."""
    plain = Principal(key.did, "client", "acme", ("bitcoin:read", "pipeline:read"), 5, 10, 1, 0, place.owner.did)
    return principals.grant(place.table, place.owner.did, replace(plain, **changes), owner(place))


def owner(place: Place) -> Caller:
    found = principals.find(place.table, place.owner.did, place.owner.did)
    assert found is not None
    return principals.caller_of(found, place.clock.now)


def test_the_owner_gets_a_token_bound_to_the_key_of_the_proof(place: Place) -> None:
    bound = proving.new_key("ES256")

    answer = place.ask_token(place.assertion(bound=bound), place.proof("POST", "/v1/auth/token", key=bound))

    assert answer["statusCode"] == 200
    told = json.loads(answer["body"])
    assert (told["token_type"], told["expires_in"]) == ("DPoP", 300)
    found = tokens.verify(told["access_token"], ORIGIN, place.now_s, place.keys)
    assert found.thumbprint == bound.secret.public.thumbprint
    assert (found.caller.id, found.caller.role, found.caller.tenant) == (place.owner.did, "owner", "main")
    assert found.caller.authenticated_ms == place.clock.now


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "ES256K"])
def test_a_principal_gets_a_token_that_carries_all_it_was_given(place: Place, algorithm: Any) -> None:
    key = proving.new_key(algorithm)
    granted(place, key)

    found = tokens.verify(place.token(key), ORIGIN, place.now_s, place.keys)

    scopes = ("bitcoin:read", "pipeline:read")
    assert found.caller == Caller("did", key.did, "client", "acme", scopes, place.clock.now, 5)


def test_a_token_has_no_more_scopes_than_were_asked_for_and_held(place: Place) -> None:
    key = proving.new_key()
    granted(place, key)

    answer = place.ask_token(
        place.assertion(key), place.proof("POST", "/v1/auth/token", key=key), scope="bitcoin:read faults:read"
    )

    told = json.loads(answer["body"])
    assert told["scope"] == "bitcoin:read"
    assert tokens.verify(told["access_token"], ORIGIN, place.now_s, place.keys).caller.scopes == ("bitcoin:read",)


def test_a_proven_did_that_nobody_let_in_gets_no_token(place: Place) -> None:
    stranger = proving.new_key()
    answer = place.ask_token(place.assertion(stranger), place.proof("POST", "/v1/auth/token", key=stranger))
    assert refused(answer) == (401, "/problems/unauthenticated/auth/unknown-caller")


def test_a_revoked_principal_gets_no_token_any_more(place: Place) -> None:
    key = proving.new_key()
    granted(place, key)
    assert place.token(key)

    principals.revoke(place.table, place.owner.did, "acme", key.did, owner(place))

    answer = place.ask_token(place.assertion(key), place.proof("POST", "/v1/auth/token", key=key))
    assert refused(answer) == (401, "/problems/unauthenticated/auth/unknown-caller")


def test_an_assertion_is_good_for_one_token(place: Place) -> None:
    assertion = place.assertion()
    assert place.ask_token(assertion, place.proof("POST", "/v1/auth/token"))["statusCode"] == 200

    again = place.ask_token(assertion, place.proof("POST", "/v1/auth/token"))

    assert refused(again) == (401, "/problems/unauthenticated/auth/assertion-replayed")


def test_an_assertion_that_somebody_else_got_hold_of_gives_it_no_token(place: Place) -> None:
    stolen, thief = place.assertion(), proving.new_key()

    answer = place.ask_token(stolen, place.proof("POST", "/v1/auth/token", key=thief))

    assert refused(answer) == (401, "/problems/unauthenticated/auth/proof-mismatch")
    assert place.ask_token(stolen, place.proof("POST", "/v1/auth/token"))["statusCode"] == 200


def test_a_proof_is_good_for_one_token(place: Place) -> None:
    proof = place.proof("POST", "/v1/auth/token")
    assert place.ask_token(place.assertion(), proof)["statusCode"] == 200

    again = place.ask_token(place.assertion(), proof)

    assert refused(again) == (401, "/problems/unauthenticated/auth/proof-replayed")


def test_without_a_proof_there_is_no_token(place: Place) -> None:
    assert refused(place.ask_token(place.assertion(), None)) == (401, "/problems/unauthenticated/auth/scheme")


@pytest.mark.parametrize("field", ["dpop", "origin"])
def test_what_belongs_into_a_header_is_not_taken_from_the_body(place: Place, field: str) -> None:
    proof = place.proof("POST", "/v1/auth/token")
    answer = place.ask_token(place.assertion(), None, **{field: proof if field == "dpop" else ORIGIN})
    assert refused(answer) == (400, "/problems/invalid")


def test_the_audience_may_be_the_origin_or_the_token_endpoint(place: Place) -> None:
    for audience in (ORIGIN, TOKEN_URL):
        assertion = proving.assertion(place.owner, audience, place.now_s)
        assert place.ask_token(assertion, place.proof("POST", "/v1/auth/token"))["statusCode"] == 200


def test_another_grant_type_is_refused(place: Place) -> None:
    answer = place.ask_token(place.assertion(), place.proof("POST", "/v1/auth/token"), grant_type="password")
    assert refused(answer) == (422, "/problems/invalid")
