"""What a PSBT says and lacks."""

from collections.abc import Iterator

import pytest

from functions.bitcoin.decode_psbt import decode_psbt
from functions.bitcoin.sign_transaction import sign_transaction
from tests.faults.calls import ADDRESS, SmallWorld
from tests.faults.wallet_world import wallet_world
from tests.operations.bitcoin.test_sign_transaction import psbt


@pytest.fixture
def here() -> Iterator[SmallWorld]:
    with wallet_world() as made:
        yield made


def test_an_unsigned_one_says_whose_signatures_are_missing(here: SmallWorld) -> None:
    status, body, _ = here.call(decode_psbt, {"psbt": psbt()})

    assert (status, body["valid"], body["complete"], body["next"]) == (200, True, False, "signer")
    assert (body["fee_sat"], body["estimated_feerate_sat_per_kvb"]) == (300, 2_142)
    (spent,) = body["inputs"]
    assert (spent["value_sat"], spent["proven"], spent["missing_signatures"]) == (80_000, False, ["ab" * 20])
    assert (body["outputs"][0]["address"], body["outputs"][0]["value_sat"]) == (ADDRESS, 50_000)


def test_a_signed_one_is_complete(here: SmallWorld) -> None:
    wanted = {"wallet": "till", "psbt": psbt(), "max_spent_sat": 60_000}
    signed = here.call(sign_transaction, wanted, idempotency_key="one")[1]["psbt"]
    body = here.call(decode_psbt, {"psbt": signed})[1]

    assert (body["complete"], body["next"], body["inputs"][0]["missing_signatures"]) == (True, "extractor", [])


def test_one_that_contradicts_itself_is_not_valid(here: SmallWorld) -> None:
    assert here.call(decode_psbt, {"psbt": psbt(broken=True)})[1]["valid"] is False


@pytest.mark.parametrize("wrong", ["bm8gcHNidA==", "cHNidP8=", "?" * 20, "AAA", 5, None])
def test_what_is_no_psbt_is_invalid(here: SmallWorld, wrong: object) -> None:
    status, body, _ = here.call(decode_psbt, {"psbt": wrong})
    assert (status, body["kind"]) == (422, "invalid")
