import json
from typing import Any

import pytest

from functions.pipeline.list_runs import list_runs
from isthmus import wiring
from isthmus.access import principals, proving
from isthmus.access.caller import from_context
from isthmus.access.principals import Principal
from isthmus.respond import CHALLENGE
from tests.proofs import Place, request

PATH = "/v1/pipeline/runs"


def by_token(place: Place, key: proving.PrivateKey | None = None) -> dict[str, str]:
    token = place.token(key)
    return {"authorization": f"DPoP {token}", "dpop": place.proof("GET", PATH, token, key=key)}


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "ES256K"])
def test_a_token_with_its_proof_is_its_caller(place: Place, algorithm: Any) -> None:
    token, bound = place.token(), proving.new_key(algorithm)
    answer = place.ask_token(place.assertion(bound=bound), place.proof("POST", "/v1/auth/token", key=bound))
    token = json.loads(answer["body"])["access_token"]

    found = place.authorize(
        "GET", PATH, {"authorization": f"DPoP {token}", "dpop": place.proof("GET", PATH, token, key=bound)}
    )

    caller = from_context(found)
    assert (caller.kind, caller.id, caller.role) == ("did", place.owner.did, "owner")


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "ES256K"])
@pytest.mark.parametrize(
    ("method", "query"), [("GET", ""), ("GET", "limit=5&after=a%2Fb"), ("POST", ""), ("DELETE", "")]
)
def test_a_signed_request_is_its_signer_s(place: Place, algorithm: Any, method: str, query: str) -> None:
    key = proving.new_key(algorithm)
    given = Principal(key.did, "auditor", "main", ("*",), 0, 0, 0, 0, place.owner.did)
    owner = principals.find(place.table, place.owner.did, place.owner.did)
    assert owner is not None
    principals.grant(place.table, place.owner.did, given, principals.caller_of(owner, place.clock.now))

    url = PATH + (f"?{query}" if query else "")
    found = place.authorize(method, PATH, place.signed(method, url, b"{}", key=key), query)

    caller = from_context(found)
    assert (caller.id, caller.role, caller.authenticated_ms) == (key.did, "auditor", place.clock.now)


def test_a_path_is_signed_decoded_whatever_the_client_wrote(place: Place) -> None:
    headers = place.signed("GET", "/v1/access/principals/did%3Akey%3Az6Mk%20x")
    found = place.authorize("GET", "/v1/access/principals/did:key:z6Mk x", headers)
    assert found["id"] == place.owner.did


def test_a_proof_s_url_may_be_percent_encoded_and_name_the_default_port(place: Place) -> None:
    token = place.token()
    for url in ("https://API.test:443/v1/a%20b", "https://api.test/v1/%61%20b"):
        proof = proving.dpop(place.owner, "GET", url, place.now_s, token)
        assert "id" in place.authorize("GET", "/v1/a b", {"authorization": f"DPoP {token}", "dpop": proof})


def test_an_api_key_is_asked_for_by_its_prefix(place: Place) -> None:
    found = place.authorize("GET", PATH, {"authorization": f"Bearer isk_{'0' * 16}_{'0' * 64}"})
    assert found["refused"]["code"] == "auth/key"


def test_a_request_without_any_proof_is_nobody_s(place: Place) -> None:
    assert place.authorize("GET", PATH, {}) == {}


def test_the_name_of_the_scheme_may_be_written_in_any_case(place: Place) -> None:
    headers = by_token(place)
    headers["authorization"] = headers["authorization"].replace("DPoP", "dpop")
    assert place.authorize("GET", PATH, headers)["id"] == place.owner.did


def test_what_the_authorizer_refuses_the_operation_answers_as_a_problem(place: Place) -> None:
    headers = by_token(place)
    assert "id" in place.authorize("GET", PATH, headers)
    refused = place.authorize("GET", PATH, headers)

    event = request("GET", PATH, headers)
    event["requestContext"]["authorizer"] = {"lambda": refused}
    with wiring.replaced(place.ports):
        answer = list_runs(event, None)

    assert (answer["statusCode"], answer["headers"]["www-authenticate"]) == (401, CHALLENGE)
    assert json.loads(answer["body"])["type"] == "/problems/unauthenticated/auth/proof-replayed"


def test_what_the_authorizer_found_lets_the_operation_run(place: Place) -> None:
    event = request("GET", PATH, {})
    event["requestContext"]["authorizer"] = {"lambda": place.authorize("GET", PATH, by_token(place))}
    with wiring.replaced(place.ports):
        assert list_runs(event, None)["statusCode"] == 200


@pytest.mark.parametrize("host", ["evil.test/?", "", "a b", "api.test@evil.test"])
def test_a_request_for_no_host_is_nobody_s(place: Place, host: str) -> None:
    found = place.authorize("GET", PATH, by_token(place) | {"host": host})
    assert found["refused"]["kind"] == "invalid"


def test_a_proof_for_another_host_of_the_same_deployment_is_not_taken_for_this_one(place: Place) -> None:
    found = place.authorize("GET", PATH, by_token(place) | {"host": "other.test"})
    assert found["refused"]["code"] == "auth/issuer"
