"""Pay once: over HTTPS, with a key, a budget and answers that say what became of it."""

from collections.abc import Iterator
from typing import Any

import pytest

from functions.bitcoin.send_payment import send_payment
from isthmus.access.caller import Caller
from isthmus.storage.table import Put
from tests.faults.calls import ADDRESS, OWNER, SmallWorld, small_world

WANTED: dict[str, Any] = {
    "wallet": "till",
    "recipients": [{"address": ADDRESS, "amount_sat": 50_000}],
    "max_fee_sat": 1_000,
}

MOST_SAT = 2_100_000_000_000_000


@pytest.fixture
def here() -> Iterator[SmallWorld]:
    with small_world() as made:
        yield made


def pay(here: SmallWorld, key: str = "one", **other: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    return here.call(send_payment, WANTED | other, idempotency_key=key)


def test_a_payment_is_sent_and_says_what_it_is(here: SmallWorld) -> None:
    status, body, _ = pay(here)

    assert (status, body["amount_sat"], body["fee_sat"]) == (201, 50_000, 300)
    assert here.node.effects == [body["txid"]]


def test_the_same_key_gives_the_same_answer_and_pays_once(here: SmallWorld) -> None:
    assert pay(here)[:2] == pay(here)[:2]
    assert len(here.node.effects) == 1


def test_another_key_is_another_payment(here: SmallWorld) -> None:
    assert pay(here)[1]["txid"] != pay(here, "two")[1]["txid"]
    assert len(here.node.effects) == 2


def test_a_key_that_was_used_for_something_else_is_refused(here: SmallWorld) -> None:
    pay(here)
    status, body, _ = pay(here, max_fee_sat=999)

    assert (status, body["type"]) == (409, "/problems/conflict/ledger/key-reused")
    assert len(here.node.effects) == 1


def test_without_a_key_nothing_is_sent(here: SmallWorld) -> None:
    status, body, _ = here.call(send_payment, WANTED)

    assert (status, body["errors"][0]["pointer"]) == (422, "/idempotency_key")
    assert here.node.sent == []


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"recipients": [{"address": ADDRESS, "amount_sat": 293}]}, "/recipients/0/amount_sat"),
        ({"recipients": [{"address": ADDRESS, "amount_sat": 0}]}, "/recipients/0/amount_sat"),
        ({"recipients": [{"address": ADDRESS, "amount_sat": 0.5}]}, "/recipients/0/amount_sat"),
        ({"recipients": [{"address": ADDRESS, "amount_sat": "5"}]}, "/recipients/0/amount_sat"),
        ({"recipients": []}, "/recipients"),
        ({"recipients": [{"address": ADDRESS[:-1] + "9", "amount_sat": 500}]}, "/recipients/0/address"),
        (
            {"recipients": [{"address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "amount_sat": 500}]},
            "/recipients/0/address",
        ),
        ({"recipients": [{"address": ADDRESS, "amount_sat": 500}] * 2}, "/recipients/1/address"),
        (
            {"recipients": [{"address": one, "amount_sat": 500} for one in (ADDRESS, ADDRESS.upper())]},
            "/recipients/1/address",
        ),
        ({"recipients": [{"address": ADDRESS, "amount_sat": MOST_SAT}] * 100}, "/recipients"),
        ({"max_fee_sat": MOST_SAT}, "/max_fee_sat"),
        ({"feerate_sat_per_kvb": 10_000_001}, "/feerate_sat_per_kvb"),
        ({"subtract_fee": [1]}, "/subtract_fee"),
        ({"subtract_fee": [0, 0]}, "/subtract_fee"),
        ({"coins": ["0" * 64 + ":0"] * 2}, "/coins"),
        ({"coins": ["0" * 64]}, "/coins/0"),
        ({"wallet": "Till"}, "/wallet"),
        ({"wallet": "../till"}, "/wallet"),
        ({"feerate_sat_per_kvb": 0}, "/feerate_sat_per_kvb"),
        ({"tip": 1}, "/tip"),
    ],
)
def test_what_cannot_be_paid_is_named_and_nothing_is_reserved_or_sent(
    here: SmallWorld, wrong: dict[str, Any], pointer: str
) -> None:
    status, body, _ = pay(here, **wrong)

    assert status == 422
    assert pointer in [error["pointer"] for error in body["errors"]]
    assert (here.node.sent, here.table.items) == ([], {})


def test_more_than_there_is_says_so_and_holds_nothing_back(here: SmallWorld) -> None:
    status, body, _ = pay(here, recipients=[{"address": ADDRESS, "amount_sat": 900_000}])

    assert (status, body["kind"], body["money_moved"]) == (402, "funds", "no")
    assert not any(pk.startswith(("access/budgets", "ledger/")) for pk, _ in here.table.items)


def test_too_little_without_what_is_locked_names_what_is_and_leaves_it_locked(here: SmallWorld) -> None:
    here.node.locked = locked = {"c" * 63 + "2:0"}
    status, body, _ = pay(here, "one", recipients=[{"address": ADDRESS, "amount_sat": 85_000}])
    assert (status, body["type"], here.node.locked) == (402, "/problems/funds/bitcoin/coins-locked", locked)
    assert "1 coin(s), 90000 sat together" in body["detail"]
    more = pay(here, "more", recipients=[{"address": ADDRESS, "amount_sat": 900_000}])[1]
    assert more["type"] == "/problems/funds/bitcoin/not-funded"

    here.table.transact([Put("ledger/leases", f"bitcoin/{min(locked)}", {"payment_id": "x"})])
    held = pay(here, "two", recipients=[{"address": ADDRESS, "amount_sat": 85_000}])[1]
    named = pay(here, "three", recipients=[{"address": ADDRESS, "amount_sat": 85_000}], coins=["c" * 63 + "1:0"])[1]
    assert (held["type"], named["type"]) == ("/problems/funds/bitcoin/not-funded",) * 2


def test_a_fee_above_the_cap_is_refused(here: SmallWorld) -> None:
    status, body, _ = pay(here, max_fee_sat=299)
    assert (status, body["type"]) == (422, "/problems/refused/bitcoin/fee-above-cap")


def test_a_locked_wallet_is_a_precondition_and_the_same_key_pays_later(here: SmallWorld) -> None:
    here.node.wallet_locked = True
    assert pay(here)[1]["type"] == "/problems/precondition/bitcoin/wallet-locked"
    here.node.wallet_locked = False

    assert pay(here)[0] == 201


def test_the_key_of_what_may_be_paid_later_is_kept_for_it(here: SmallWorld) -> None:
    here.node.wallet_locked = True
    pay(here)
    assert pay(here, max_fee_sat=999)[1]["type"] == "/problems/conflict/ledger/key-reused"
    here.node.wallet_locked = False

    assert pay(here, max_fee_sat=999)[1]["type"] == "/problems/conflict/ledger/key-reused"
    assert pay(here)[0] == 201
    assert len(here.node.effects) == 1


def test_what_the_node_refuses_is_refused_for_ever(here: SmallWorld) -> None:
    here.node.refuses = 1
    first = pay(here)
    assert (first[0], first[1]["kind"], first[1]["upstream"]) == (422, "refused", {"system": "bitcoin", "code": -26})
    assert pay(here)[1] == first[1]
    assert here.node.effects == []


def test_a_lost_answer_is_not_known_yet_and_says_where_to_ask(here: SmallWorld) -> None:
    here.node.lose = True
    status, body, headers = pay(here)

    assert (status, body["kind"], body["money_moved"]) == (202, "unknown", "unknown")
    assert headers["location"].startswith("/v1/ledger/payments/")
    assert len(here.node.effects) == 1


def test_who_has_no_budget_sends_nothing(here: SmallWorld) -> None:
    stranger = Caller("did", "did:key:zStranger", "client", "main", ("*",), here.ms, 10**12)
    status, body, _ = here.call(send_payment, WANTED, caller=stranger, idempotency_key="one")

    assert (status, body["kind"]) == (429, "limit")
    assert here.node.sent == []
    assert stranger.id != OWNER
