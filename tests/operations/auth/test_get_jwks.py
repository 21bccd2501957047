import json

import jwt

from functions.auth.get_jwks import GetJwks, get_jwks
from isthmus import wiring
from tests.proofs import ORIGIN, Place, request


def test_anybody_may_see_the_public_keys_of_tokens_and_nothing_of_the_private_ones(place: Place) -> None:
    with wiring.replaced(place.ports):
        answer = get_jwks(request("GET", "/v1/auth/jwks", {}), None)

    assert answer["statusCode"] == 200
    (key,) = json.loads(answer["body"])["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}


def test_another_implementation_verifies_tokens_with_them(place: Place) -> None:
    key = jwt.PyJWK(get_jwks.function(GetJwks(), place.keys).keys[0].model_dump())
    told = jwt.decode_complete(
        place.token(),
        key,
        algorithms=["ES256"],
        audience=ORIGIN,
        issuer=ORIGIN,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert told["header"] == {"typ": "at+jwt", "alg": "ES256", "kid": key.key_id}
    assert told["payload"]["sub"] == place.owner.did


def test_after_a_new_key_both_are_shown_for_a_quarter_of_an_hour(place: Place) -> None:
    place.token()
    place.clock.now += 1000
    place.keys.add()
    assert len(get_jwks.function(GetJwks(), place.keys).keys) == 2

    place.clock.now += 15 * 60 * 1000
    assert len(get_jwks.function(GetJwks(), place.keys).keys) == 1
