"""Signatures are given away once, for what was allowed, and count as spent."""

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from functions.access.get_budget import get_budget
from functions.bitcoin.send_payment import send_payment
from functions.bitcoin.sign_transaction import sign_transaction
from functions.ledger.reconcile_payments import reconcile_payments
from isthmus import wiring
from isthmus.access.caller import Caller
from isthmus.failure import Unavailable
from isthmus.journal import load
from isthmus.ledger.records import aggregate
from isthmus.ports import Table
from isthmus.storage.table import Put, Write
from tests.faults.calls import ADDRESS, SmallWorld
from tests.faults.wallet_world import wallet_world
from tests.faults.world import MemoryTable
from tests.operations.ledger.test_get_payment import WANTED

FIRST = "c" * 63 + "1:0"


@pytest.fixture
def here() -> Iterator[SmallWorld]:
    with wallet_world() as made:
        yield made


def psbt(coins: tuple[str, ...] = (FIRST,), amount_sat: int = 50_000, **other: Any) -> str:
    body = {"coins": list(coins), "amount": amount_sat, "to": [{ADDRESS: f"0.{amount_sat:08d}"}]}
    return base64.b64encode(json.dumps(body | other).encode()).decode()


def sign(here: SmallWorld, key: str = "one", **fields: Any) -> tuple[int, dict[str, Any]]:
    wanted = {"wallet": "till", "psbt": psbt(), "max_spent_sat": 60_000} | fields
    return here.call(sign_transaction, wanted, idempotency_key=key)[:2]


def spent_msat(here: SmallWorld) -> int:
    return int(here.call(get_budget, {})[1]["day"]["spent_msat"])


def test_a_signature_counts_what_it_lets_go(here: SmallWorld) -> None:
    status, body = sign(here)

    assert (status, body["complete"], body["spent_sat"], body["fee_sat"]) == (200, True, 50_300, 300)
    assert bytes.fromhex(body["transaction"])
    assert spent_msat(here) == 50_300_000
    assert here.node.sent == []


def test_the_same_key_gives_the_same_signature_and_counts_once(here: SmallWorld) -> None:
    assert sign(here) == sign(here)
    assert spent_msat(here) == 50_300_000
    assert sign(here, max_spent_sat=70_000)[1]["type"] == "/problems/conflict/ledger/key-reused"


def test_no_record_shows_a_signature(here: SmallWorld) -> None:
    head = load(here.table, aggregate(sign(here)[1]["payment_id"]))
    assert head is not None
    assert "psbt" not in str(head.data["detail"])


class LosesOutcomes(MemoryTable):
    """Takes what is about to happen, and not what came of it."""

    lost = 0

    def transact(self, writes: Sequence[Write]) -> None:
        if any(isinstance(one, Put) and one.item.get("state") == "succeeded" for one in writes) and not self.lost:
            self.lost += 1
            raise Unavailable("The store did not answer.", next_step="Repeat.", code="test/store")
        super().transact(writes)


def test_a_signature_whose_outcome_was_not_recorded_is_counted_by_the_schedule(here: SmallWorld) -> None:
    with wiring.replaced({Table: LosesOutcomes(here.world)}):
        assert sign(here)[0] == 202
        here.ms += 6_000
        told = reconcile_payments({"source": "aws.scheduler", "resources": ["x"], "detail": {}}, None)

        assert told == {"states": {"succeeded": 1}}
        assert (sign(here)[0], spent_msat(here)) == (200, 50_300_000)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"psbt": "bm8gcHNidA=="}, "invalid/bitcoin/no-psbt"),
        ({"psbt": "!!"}, "invalid"),
        ({"psbt": psbt((FIRST, FIRST))}, "invalid/bitcoin/transaction"),
        ({"psbt": psbt(sighash="NONE")}, "invalid/bitcoin/psbt"),
        ({"psbt": psbt(sighash="SINGLE|ANYONECANPAY")}, "invalid/bitcoin/psbt"),
        ({"psbt": psbt(broken=True)}, "invalid/bitcoin/psbt"),
        ({"psbt": psbt(("d" * 64 + ":0",), fee=0)}, "precondition/bitcoin/nothing-to-sign"),
        ({"max_spent_sat": 50_299}, "refused/bitcoin/above-limit"),
        ({"max_spent_sat": 0}, "invalid"),
        ({"max_spent_sat": 1e5}, "invalid"),
        ({"wallet": "none"}, "not-found/bitcoin/no-wallet"),
    ],
)
def test_what_is_not_signed_says_why_and_counts_nothing(here: SmallWorld, wrong: dict[str, Any], kind: str) -> None:
    body = sign(here, **wrong)[1]

    assert body["type"] == f"/problems/{kind}"
    assert spent_msat(here) == 0


def test_a_locked_wallet_signs_later_with_the_same_key(here: SmallWorld) -> None:
    here.node.wallet_locked = True
    assert sign(here)[1]["type"] == "/problems/precondition/bitcoin/wallet-locked"
    here.node.wallet_locked = False
    assert sign(here)[0] == 200


def test_what_a_payment_holds_or_has_spent_is_not_signed_again(here: SmallWorld) -> None:
    here.node.lose = True
    here.call(send_payment, WANTED, idempotency_key="paid")
    assert sign(here)[1]["type"] == "/problems/precondition/bitcoin/coins-leased"
    here.node.lose = False
    here.ms += 6_000
    reconcile_payments({"source": "aws.scheduler", "resources": ["x"], "detail": {}}, None)

    assert sign(here, "two")[1]["type"] == "/problems/refused/bitcoin/would-replace"


def test_who_has_no_budget_gets_no_signature(here: SmallWorld) -> None:
    stranger = Caller("did", "did:key:zStranger", "client", "main", ("*",), here.ms, 10**12)
    wanted = {"wallet": "till", "psbt": psbt(), "max_spent_sat": 60_000}
    status, body, _ = here.call(sign_transaction, wanted, caller=stranger, idempotency_key="one")

    assert (status, body["kind"]) == (429, "limit")
    assert "psbt" not in body
