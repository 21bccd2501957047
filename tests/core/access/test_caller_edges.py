"""A caller and a refusal on their way from the authorizer to the operation."""

import pytest

from isthmus.access.caller import ANONYMOUS, Caller, from_context, to_context
from isthmus.access.refusal import from_refusal, to_refusal
from isthmus.failure import (
    Conflict,
    Defect,
    Failure,
    Forbidden,
    Integrity,
    Invalid,
    Limited,
    Malformed,
    Unauthenticated,
    Unavailable,
)

CALLER = Caller("key", "one", "client", "acme", ("bitcoin:read", "lightning:spend"), 1_900_000_000_000, 2_100_000)


def test_a_caller_is_told_as_text_numbers_and_lists_of_text() -> None:
    assert to_context(CALLER) == {
        "kind": "key",
        "id": "one",
        "role": "client",
        "tenant": "acme",
        "scopes": ["bitcoin:read", "lightning:spend"],
        "authenticated_ms": 1_900_000_000_000,
        "max_msat": "2100000",
    }


@pytest.mark.parametrize("caller", [CALLER, ANONYMOUS, Caller("did", "did:key:z", "owner", max_msat=21 * 10**17)])
def test_a_caller_arrives_as_it_was_told(caller: Caller) -> None:
    assert from_context(to_context(caller)) == caller


def test_a_number_may_arrive_as_text() -> None:
    told = to_context(CALLER) | {"authenticated_ms": "1900000000000", "max_msat": "2100000"}
    assert from_context(told) == CALLER


@pytest.mark.parametrize(
    ("refused", "arrives"),
    [
        (Unauthenticated, Unauthenticated),
        (Forbidden, Forbidden),
        (Limited, Limited),
        (Unavailable, Unavailable),
        (Invalid, Unauthenticated),
        (Malformed, Unauthenticated),
        (Defect, Defect),
        (Integrity, Defect),
        (Conflict, Defect),
    ],
)
def test_a_refusal_arrives_as_what_its_caller_can_act_on(refused: type[Failure], arrives: type[Failure]) -> None:
    told = to_refusal(refused("It failed.", next_step="Look.", code="auth/one"))
    failure = from_refusal(told)

    assert told == {"kind": refused.kind, "code": "auth/one", "detail": "It failed.", "next_step": "Look."}
    assert type(failure) is arrives
    assert (failure.detail, failure.next_step, failure.code) == ("It failed.", "Look.", "auth/one")


def test_without_a_word_from_the_authorizer_there_was_no_proof() -> None:
    failure = from_refusal(None)

    assert type(failure) is Unauthenticated
    assert (failure.code, failure.detail) == ("auth/none", "The request says not who asks.")
    assert failure.next_step == (
        "Send a DPoP access token from POST /v1/auth/token with its proof, a signature (RFC 9421), or an API key."
    )
