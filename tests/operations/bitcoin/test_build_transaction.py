"""Payments that are built and not signed."""

from collections.abc import Iterator
from typing import Any

import pytest

from functions.bitcoin.build_transaction import build_transaction
from functions.bitcoin.send_payment import send_payment
from tests.faults.calls import ADDRESS, SmallWorld
from tests.faults.wallet_world import wallet_world
from tests.operations.ledger.test_get_payment import WANTED


@pytest.fixture
def here() -> Iterator[SmallWorld]:
    with wallet_world() as made:
        yield made


def build(here: SmallWorld, **other: Any) -> tuple[int, dict[str, Any]]:
    return here.call(build_transaction, WANTED | other)[:2]


def test_a_payment_is_built_and_nothing_is_sent_or_held(here: SmallWorld) -> None:
    status, body = build(here)

    assert (status, body["amount_sat"], body["fee_sat"], body["change_index"]) == (200, 50_000, 300, 1)
    assert (here.node.sent, here.table.items) == ([], {})


def test_a_locked_wallet_builds(here: SmallWorld) -> None:
    here.node.wallet_locked = True
    assert build(here)[0] == 200


def test_coins_that_a_payment_holds_are_left_alone(here: SmallWorld) -> None:
    here.node.lose = True
    here.call(send_payment, WANTED, idempotency_key="one")
    here.node.mempool.clear()

    assert build(here, coins=["c" * 63 + "1:0"])[1]["type"] == "/problems/precondition/bitcoin/coins-leased"
    assert build(here, recipients=[{"address": ADDRESS, "amount_sat": 95_000}])[1]["kind"] == "funds"


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"recipients": [{"address": ADDRESS, "amount_sat": 293}]}, "/recipients/0/amount_sat"),
        ({"recipients": [{"address": ADDRESS, "amount_sat": 5e3}]}, "/recipients/0/amount_sat"),
        (
            {"recipients": [{"address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "amount_sat": 500}]},
            "/recipients/0/address",
        ),
        ({"coins": ["0" * 64 + ":0"] * 2}, "/coins"),
        ({"idempotency_key": "x"}, "/idempotency_key"),
    ],
)
def test_what_cannot_be_built_is_named(here: SmallWorld, wrong: dict[str, Any], pointer: str) -> None:
    status, body = build(here, **wrong)

    assert status == 422
    assert pointer in [error["pointer"] for error in body["errors"]]


def test_a_fee_above_the_cap_is_refused(here: SmallWorld) -> None:
    assert build(here, max_fee_sat=299)[1]["type"] == "/problems/refused/bitcoin/fee-above-cap"
