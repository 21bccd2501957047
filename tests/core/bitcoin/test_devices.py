"""Payments of a wallet whose keys are in a signing device: signed there, or definitely not sent."""

from collections.abc import Iterator
from typing import Any

import pytest

from functions.bitcoin.send_payment import send_payment
from functions.bitcoin.sign_transaction import sign_transaction
from functions.ledger.get_payment import get_payment
from tests.faults.calls import ADDRESS, SmallWorld
from tests.faults.device_world import DeviceNode, device_world
from tests.faults.node import packed
from tests.operations.ledger.test_get_payment import WANTED

Desk = tuple[SmallWorld, DeviceNode]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with device_world() as made:
        yield made


def pay(desk: Desk, key: str = "one") -> tuple[int, dict[str, Any]]:
    return desk[0].call(send_payment, WANTED, idempotency_key=key)[:2]


def break_it(node: DeviceNode, how: Any) -> None:
    for name, value in how.items():
        setattr(node, name, value)


TROUBLE: list[tuple[dict[str, Any], str]] = [
    ({"signers": 0}, "no-signer"),
    ({"signers": 2}, "several-signers"),
    ({"signers": None}, "no-signer-command"),
    ({"silent": {"enumeratesigners"}}, "signer-silent"),
    ({"silent": {"walletprocesspsbt"}}, "signer-silent"),
    ({"fails": -1}, "signer-failed"),
]
WELL: dict[str, Any] = {"signers": 1, "silent": set(), "fails": 0}


def test_the_device_signs_what_is_sent(desk: Desk) -> None:
    status, body = pay(desk)

    assert (status, desk[1].asked) == (201, 1)
    assert desk[1].effects == [body["txid"]]


@pytest.mark.parametrize(("how", "code"), TROUBLE, ids=[f"{how}" for how, _ in TROUBLE])
def test_a_device_that_cannot_be_asked_moves_no_money_and_the_same_key_asks_again(
    desk: Desk, how: dict[str, Any], code: str
) -> None:
    break_it(desk[1], how)
    status, body = pay(desk)
    assert (status, body["type"]) == (409, f"/problems/precondition/bitcoin/{code}")
    assert (body["money_moved"], body["repeat"], desk[1].sent) == ("no", "later", [])
    break_it(desk[1], WELL)

    assert pay(desk)[0] == 201
    assert len(desk[1].effects) == 1


def test_a_no_on_the_device_is_final_and_asked_once(desk: Desk) -> None:
    desk[1].fails = -25
    first = pay(desk)
    assert (first[0], first[1]["type"]) == (422, "/problems/refused/bitcoin/signer-refused")
    desk[1].fails = 0

    assert pay(desk)[1]["type"] == first[1]["type"]
    assert (desk[1].asked, desk[1].sent) == (1, [])
    assert pay(desk, "two")[0] == 201


def test_the_ledger_says_that_the_device_said_no(desk: Desk) -> None:
    desk[1].fails = -25
    pay(desk)
    (name,) = [pk for pk, sk in desk[0].table.items if pk.startswith("journal/ledger/payment/") and sk == "head"]
    body = desk[0].call(get_payment, {"payment_id": name.rpartition("/")[2]})[1]

    assert (body["state"], body["refusal"]["code"]) == ("refused", "bitcoin/signer-refused")


def test_other_trouble_of_the_wallet_is_not_laid_on_the_device(desk: Desk) -> None:
    desk[1].fails = -13
    assert pay(desk)[1]["type"] == "/problems/precondition/bitcoin/wallet-locked"


def test_a_wallet_that_has_its_keys_asks_no_device(desk: Desk) -> None:
    break_it(desk[1], {"signers": None, "on_device": set()})
    assert pay(desk)[0] == 201


def test_a_wallet_that_has_its_keys_and_does_not_answer_is_unavailable(desk: Desk) -> None:
    break_it(desk[1], {"on_device": set(), "silent": {"walletprocesspsbt"}})
    assert pay(desk)[1]["type"] == "/problems/unavailable/bitcoin/timeout"


@pytest.mark.parametrize(("how", "code"), TROUBLE[:4], ids=[f"{how}" for how, _ in TROUBLE[:4]])
def test_a_psbt_is_signed_on_the_device_or_not_at_all(desk: Desk, how: dict[str, Any], code: str) -> None:
    built = packed({"coins": ["c" * 63 + "1:0"], "amount": 50_000, "to": [{ADDRESS: "0.00050000"}]})
    wanted = {"wallet": "till", "psbt": built, "max_spent_sat": 60_000}
    break_it(desk[1], how)
    assert desk[0].call(sign_transaction, wanted, idempotency_key="one")[1]["type"].endswith(code)
    break_it(desk[1], WELL)

    assert desk[0].call(sign_transaction, wanted, idempotency_key="one")[1]["complete"] is True
