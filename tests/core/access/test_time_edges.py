"""From which second to which a proof, an assertion and a token serve."""

import pytest

from isthmus.access import assertions
from tests.core.access.edges import ANEW, ANOTHER, CLOCK, DID, NOW_S, of_assertion, of_proof, of_token, refusal


@pytest.mark.parametrize("age_s", [-10, 0, 60])
def test_a_proof_serves_from_ten_seconds_before_its_time_to_sixty_after(age_s: int) -> None:
    assert of_proof(NOW_S + age_s).expires_s == NOW_S + 60


@pytest.mark.parametrize(
    ("age_s", "said"),
    [
        (-11, ("not-yet", "The proof was made in the future.", CLOCK)),
        (61, ("proof-expired", "The proof is more than 60 seconds old.", CLOCK)),
    ],
)
def test_a_proof_serves_neither_a_second_earlier_nor_later(age_s: int, said: tuple[str, str, str]) -> None:
    assert refusal(lambda: of_proof(NOW_S + age_s)) == said


@pytest.mark.parametrize(("age_s", "lives_s"), [(-10, 1), (0, 1), (0, 60), (59, 60)])
def test_an_assertion_serves_while_it_lives(age_s: int, lives_s: int) -> None:
    found = of_assertion(NOW_S + age_s, exp=NOW_S + lives_s)
    assert found == assertions.Assertion(DID, NOW_S, f"{DID} one", NOW_S + 60)


@pytest.mark.parametrize(
    ("age_s", "lives_s", "said"),
    [
        (-11, 60, ("not-yet", "The assertion was made in the future.", CLOCK)),
        (60, 60, ("assertion-expired", "The assertion has expired.", CLOCK)),
        (1, 1, ("assertion-expired", "The assertion has expired.", CLOCK)),
        (61, 60, ("assertion-expired", "The assertion is more than 60 seconds old.", CLOCK)),
        (0, 61, ("claims", "The assertion does not end within 60 seconds of its making.", ANEW)),
        (0, 0, ("claims", "The assertion does not end within 60 seconds of its making.", ANEW)),
        (-10, -1, ("claims", "The assertion does not end within 60 seconds of its making.", ANEW)),
    ],
)
def test_an_assertion_serves_at_no_other_time(age_s: int, lives_s: int, said: tuple[str, str, str]) -> None:
    assert refusal(lambda: of_assertion(NOW_S + age_s, exp=NOW_S + lives_s)) == said


@pytest.mark.parametrize(("age_s", "lives_s"), [(-10, 1), (0, 300), (299, 300)])
def test_a_token_serves_while_it_lives(age_s: int, lives_s: int) -> None:
    assert of_token(NOW_S + age_s, exp=NOW_S + lives_s).caller.id == DID


@pytest.mark.parametrize(
    ("age_s", "lives_s", "said"),
    [
        (300, 300, ("token-expired", "The access token has expired.", ANOTHER)),
        (-11, 300, ("not-yet", "The access token is from the future, or lives too long.", ANOTHER)),
        (0, 301, ("not-yet", "The access token is from the future, or lives too long.", ANOTHER)),
    ],
)
def test_a_token_serves_at_no_other_time(age_s: int, lives_s: int, said: tuple[str, str, str]) -> None:
    assert refusal(lambda: of_token(NOW_S + age_s, exp=NOW_S + lives_s)) == said
