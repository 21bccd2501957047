"""Transactions that were signed anywhere: tried, recorded, sent once, and counted once."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from functions.access.get_budget import get_budget
from functions.bitcoin.broadcast_transaction import broadcast_transaction
from functions.bitcoin.send_payment import send_payment
from functions.ledger.reconcile_payments import reconcile_payments
from tests.faults.calls import ADDRESS, SmallWorld
from tests.faults.node import body_of, packed
from tests.faults.wallet_world import wallet_world
from tests.operations.ledger.test_get_payment import WANTED

FIRST, SECOND = "c" * 63 + "1:0", "c" * 63 + "2:0"


@pytest.fixture
def here() -> Iterator[SmallWorld]:
    with wallet_world() as made:
        yield made


def raw(coins: tuple[str, ...] = (FIRST,), amount_sat: int = 50_000, **other: Any) -> str:
    body = {"coins": list(coins), "amount": amount_sat, "to": [{ADDRESS: f"0.{amount_sat:08d}"}]}
    return json.dumps(body | other).encode().hex()


def psbt(*by: str, needs: int = 2, **other: Any) -> str:
    """What the signers give back, of whom the transaction needs some."""
    return packed({**body_of(raw()), "by": list(by), "needs": needs} | other)


def send(here: SmallWorld, key: str = "one", **fields: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    wanted = {"transaction": raw(), "max_spent_sat": 80_000} | fields
    return here.call(broadcast_transaction, wanted, idempotency_key=key)


def spent_msat(here: SmallWorld) -> int:
    return int(here.call(get_budget, {})[1]["day"]["spent_msat"])


def test_a_transaction_is_sent_and_all_it_pays_is_counted(here: SmallWorld) -> None:
    status, body, _ = send(here)

    assert (status, body["spent_sat"], body["fee_sat"], body["known"]) == (201, 80_000, 300, False)
    assert here.node.effects == [body["txid"]]
    assert spent_msat(here) == 80_000_000


def test_the_change_of_a_named_wallet_is_not_counted(here: SmallWorld) -> None:
    assert send(here, wallet="till", max_spent_sat=50_300)[1]["spent_sat"] == 50_300


def test_more_than_was_said_is_refused(here: SmallWorld) -> None:
    status, body, _ = send(here, wallet="till", max_spent_sat=50_299)

    assert (status, body["type"]) == (422, "/problems/refused/bitcoin/above-limit")
    assert (here.node.sent, spent_msat(here)) == ([], 0)


@pytest.mark.parametrize("mined", [False, True])
@pytest.mark.parametrize("wallet", [None, "till"])
def test_one_that_is_there_already_is_a_success_that_costs_nothing(
    here: SmallWorld,
    mined: bool,  # noqa: FBT001
    wallet: str | None,
) -> None:
    send(here)
    if mined:
        here.node.mine()
    status, body, _ = send(here, "two", **({"wallet": wallet} if wallet else {}))

    assert (status, body["known"], body["spent_sat"]) == (201, True, 0)
    assert (len(here.node.effects), spent_msat(here)) == (1, 80_000_000)


def test_the_same_key_gives_the_same_answer(here: SmallWorld) -> None:
    assert send(here)[:2] == send(here)[:2]
    assert send(here, max_spent_sat=90_000)[1]["type"] == "/problems/conflict/ledger/key-reused"


def test_one_that_would_replace_what_waits_is_not_sent(here: SmallWorld) -> None:
    paid = here.call(send_payment, WANTED, idempotency_key="paid")[1]["txid"]
    status, body, _ = send(here, transaction=raw(fee=9_000))

    assert (status, body["type"]) == (422, "/problems/refused/bitcoin/would-replace")
    assert here.node.effects == [paid]


def test_one_that_spends_what_an_unsettled_payment_holds_waits(here: SmallWorld) -> None:
    here.node.lose = True
    here.call(send_payment, WANTED, idempotency_key="paid")
    here.node.mempool.clear()
    here.node.lose = False

    assert send(here)[1]["type"] == "/problems/precondition/bitcoin/coins-leased"
    assert here.node.effects == []


def test_a_lost_answer_is_looked_up_by_the_schedule(here: SmallWorld) -> None:
    here.node.lose = True
    assert send(here)[0] == 202
    here.node.lose = False
    here.ms += 6_000
    reconcile_payments({"source": "aws.scheduler", "resources": ["x"], "detail": {}}, None)

    assert send(here)[0] == 201
    assert len(here.node.effects) == 1


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"transaction": "00" * 20}, "invalid/bitcoin/no-raw-transaction"),
        ({"transaction": raw((FIRST, FIRST))}, "invalid/bitcoin/transaction"),
        ({"transaction": raw(())}, "invalid/bitcoin/transaction"),
        ({"transaction": "zz" * 20}, "invalid"),
        ({"transaction": "0" * 21}, "invalid"),
        ({"max_spent_sat": 0}, "invalid"),
        ({"max_spent_sat": 5.5}, "invalid"),
        ({"max_spent_sat": "80000"}, "invalid"),
        ({"wallet": "none"}, "not-found/bitcoin/no-wallet"),
        ({"psbts": [psbt("anna", "bert")]}, "invalid/bitcoin/transaction"),
        ({"transaction": None}, "invalid/bitcoin/transaction"),
        ({"transaction": None, "psbts": [psbt("anna", "bert")], "wallet": "none"}, "not-found/bitcoin/no-wallet"),
        ({"transaction": None, "psbts": [psbt("anna")]}, "invalid/bitcoin/psbt-incomplete"),
        ({"transaction": None, "psbts": ["cHNidP8BAA=="]}, "invalid/bitcoin/psbts"),
        ({"transaction": None, "psbts": [psbt()] * 17}, "invalid"),
        ({"transaction": None, "psbts": ["no base64"]}, "invalid"),
        ({"transaction": None, "psbts": [psbt("anna", "bert", coins=[FIRST, FIRST])]}, "invalid/bitcoin/transaction"),
        ({"transaction": None, "psbts": [psbt("anna", "bert", note="x" * 130_000)]}, "invalid/bitcoin/transaction"),
    ],
)
def test_what_cannot_be_sent_says_why_and_changes_nothing(here: SmallWorld, wrong: dict[str, Any], kind: str) -> None:
    body = send(here, **wrong)[1]

    assert body["type"] == f"/problems/{kind}"
    assert (here.node.sent, spent_msat(here)) == ([], 0)


def cosigned(here: SmallWorld, *psbts: str, key: str = "one") -> tuple[int, dict[str, Any]]:
    return send(here, key, transaction=None, psbts=list(psbts))[:2]


def test_what_several_have_signed_is_sent_like_any_transaction(here: SmallWorld) -> None:
    status, body = cosigned(here, psbt("anna"), psbt("bert"))

    assert (status, body["spent_sat"], body["known"]) == (201, 80_000, False)
    assert here.node.effects == [body["txid"]]
    assert cosigned(here, psbt("anna"), psbt("bert")) == (status, body)
    assert spent_msat(here) == 80_000_000


def test_one_that_a_signer_has_finalized_is_complete_alone(here: SmallWorld) -> None:
    assert cosigned(here, psbt(signed=True))[0] == 201


def test_missing_signatures_are_named_and_the_same_key_may_bring_them(here: SmallWorld) -> None:
    status, body = cosigned(here, psbt("anna"))
    assert (status, body["repeat"], body["money_moved"]) == (422, "change-request", "no")
    (error,) = body["errors"]
    assert error["pointer"] == "/psbts"
    assert error["message"] == f"input 0 lacks signatures; there is none by the keys with the hashes {'ab' * 20}"

    assert cosigned(here, psbt("anna"), psbt("bert"))[0] == 201


def test_an_input_of_which_nothing_is_known_wants_the_psbt_that_was_built(here: SmallWorld) -> None:
    body = cosigned(here, psbt("anna", coins=["d" * 64 + ":0"]))[1]
    assert "the PSBT that was built" in body["errors"][0]["message"]


def test_each_psbt_that_does_not_belong_to_the_first_is_named(here: SmallWorld) -> None:
    other = psbt("anna", amount=40_000)
    body = cosigned(here, psbt("anna"), "cHNidP8BAA==", other, psbt("bert"))[1]

    assert [error["pointer"] for error in body["errors"]] == ["/psbts/1", "/psbts/2"]
    assert here.node.sent == []


def test_of_the_two_forms_both_are_named_when_there_are_both_or_none(here: SmallWorld) -> None:
    for fields in ({"transaction": None}, {"psbts": [psbt("anna", "bert")]}):
        assert [one["pointer"] for one in send(here, **fields)[1]["errors"]] == ["/transaction", "/psbts"]


def test_spent_coins_are_told_apart_from_a_low_fee(here: SmallWorld) -> None:
    here.node.spend_elsewhere()
    assert send(here)[1]["type"] == "/problems/refused/bitcoin/inputs-spent"
