"""Proofs of one key at a held time, with any claim changed, and what is said of one that is refused."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from isthmus.access import assertions, dpop, jwt, tokens
from isthmus.access.caller import Caller
from isthmus.did import key as did_key
from isthmus.did.keys import PrivateKey, new_private_key
from isthmus.did.resolver import Resolver
from isthmus.failure import Unauthenticated

NOW_S = 1_900_000_000


ORIGIN = "https://api.test"


URL = f"{ORIGIN}/v1/things"


KEY = new_private_key("ES256")


DID = did_key.did_of(KEY.public)


KEY_ID = f"{DID}#{DID.removeprefix('did:key:')}"


CALLER = Caller("did", DID, "client", "acme", ("bitcoin:read", "pipeline:read"), (NOW_S - 7) * 1000, 21)


class Keys:
    """Token keys that are one key."""

    def __init__(self, key: PrivateKey = KEY, key_id: str = "one") -> None:
        self.key, self.key_id = key, key_id

    def sign(self, claims: Mapping[str, Any]) -> str:
        return jwt.signed("token", {"kid": self.key_id}, claims, self.key)

    def public(self) -> Mapping[str, Mapping[str, str]]:
        return {self.key_id: self.key.public.jwk}


KEYS = Keys()


TOKEN: dict[str, Any] = {
    "iss": ORIGIN,
    "aud": ORIGIN,
    "sub": DID,
    "iat": NOW_S,
    "exp": NOW_S + 300,
    "auth_time": NOW_S,
    "role": "client",
    "tenant": "acme",
    "scope": "bitcoin:read",
    "max_msat": "21",
    "cnf": {"jkt": "a" * 43},
}


PROOF: dict[str, Any] = {"htm": "GET", "htu": URL, "iat": NOW_S, "jti": "one"}


ASSERTION: dict[str, Any] = {
    "iss": DID,
    "sub": DID,
    "aud": ORIGIN,
    "iat": NOW_S,
    "exp": NOW_S + 60,
    "jti": "one",
}


GONE = object()


def changed(claims: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**claims, **changes}.items() if value is not GONE}


def of_token(now_s: int = NOW_S, **changes: Any) -> tokens.Token:
    return tokens.verify(KEYS.sign(changed(TOKEN, changes)), ORIGIN, now_s, KEYS)


def of_proof(now_s: int = NOW_S, **changes: Any) -> dpop.Proof:
    text = jwt.signed("proof", {"jwk": dict(KEY.public.jwk)}, changed(PROOF, changes), KEY)
    return dpop.verify(text, "GET", URL, now_s)


def of_assertion(now_s: int = NOW_S, kid: Any = KEY_ID, **changes: Any) -> assertions.Assertion:
    text = jwt.signed("assertion", {"kid": kid}, changed(ASSERTION, changes), KEY)
    return assertions.verify(text, ORIGIN, now_s, Resolver())


def refusal(ask: Callable[[], object]) -> tuple[str, str, str]:
    """Code, detail and next step of what is refused."""
    with pytest.raises(Unauthenticated) as refused:
        ask()
    return refused.value.code.removeprefix("auth/"), refused.value.detail, refused.value.next_step


ANEW = "Make a new proof for this very request."


CLOCK = "Make a new proof, and see that the caller's clock is right."


ANOTHER = "Get a token from POST /v1/auth/token."
