"""What became of a payment, for those it belongs to."""

from collections.abc import Iterator
from typing import Any

import pytest

from functions.bitcoin.send_payment import send_payment
from functions.ledger.get_payment import get_payment
from isthmus import journal
from isthmus.bitcoin import following
from tests.faults.calls import ADDRESS, SmallWorld, small_world

WANTED: dict[str, Any] = {
    "wallet": "till",
    "recipients": [{"address": ADDRESS, "amount_sat": 50_000}],
    "max_fee_sat": 1_000,
}


@pytest.fixture
def here() -> Iterator[SmallWorld]:
    with small_world() as made:
        yield made


def test_a_payment_is_shown_with_what_it_cost_and_without_its_payload(here: SmallWorld) -> None:
    sent = here.call(send_payment, WANTED, idempotency_key="one")[1]
    status, body, _ = here.call(get_payment, {"payment_id": sent["payment_id"]})

    assert (status, body["state"], body["identity"], body["spent_msat"]) == (200, "succeeded", sent["txid"], "50300000")
    assert body["detail"]["fee_sat"] == 300
    assert "payload" not in str(body)


def test_what_was_seen_of_its_transaction_is_shown_with_its_block_while_that_is_there(here: SmallWorld) -> None:
    sent = here.call(send_payment, WANTED, idempotency_key="one")[1]
    asked = {"payment_id": sent["payment_id"]}
    assert here.call(get_payment, asked)[1]["chain"] is None

    name, head = following.aggregate("main", "till", sent["txid"]), None
    at = {"tenant": "main", "block_hash": "ab" * 32, "height": 7}
    for event, data in (("confirmed", at), ("reorged", {"block_hash": "", "height": 0}), ("conflicted", {})):
        drafted = journal.draft(following.TRANSACTION, head or journal.fresh(name), event, data, now_ms=5, by="test")
        head = journal.apply(here.table, drafted)
        shown = here.call(get_payment, asked)[1]["chain"]
        where = ("ab" * 32, 7) if event == "confirmed" else (None, None)
        assert (shown["state"], shown["block_hash"], shown["height"], shown["at_ms"]) == (event, *where, 5)


def test_a_refused_payment_says_why(here: SmallWorld) -> None:
    here.node.refuses = 1
    here.call(send_payment, WANTED, idempotency_key="one")
    (row,) = [sk for pk, sk in here.table.items if pk.startswith("journal/ledger/payment/") and sk == "head"]
    payment_id = next(pk for pk, sk in here.table.items if sk == row).rpartition("/")[2]
    _, body, _ = here.call(get_payment, {"payment_id": payment_id})

    assert (body["state"], body["refusal"]["code"], body["spent_msat"]) == ("refused", "bitcoin/policy", None)


def test_another_tenants_payment_is_answered_like_one_that_is_not_there(here: SmallWorld) -> None:
    sent = here.call(send_payment, WANTED, idempotency_key="one")[1]
    theirs = here.call(get_payment, {"payment_id": sent["payment_id"]}, caller=here.owner("other"))
    nobodys = here.call(get_payment, {"payment_id": "0" * 32}, caller=here.owner("other"))

    assert theirs[0] == 404
    assert theirs[1] == nobodys[1]
