"""Operations that spend under schedules of faults: whatever is lost, late, doubled or crashes, money moves once."""

from functools import cache

import pytest

from tests.faults.events import taken
from tests.faults.exploring import Explored, explore
from tests.faults.spends import BROADCAST_TRANSACTION, SEND_PAYMENT, SPENDS
from tests.faults.trial import Case, Spend, trial

EACH = 120
"""Schedules of a case: all of one fault, and some of two."""

EVERY = {"get", "query", "transact"}
CALLS = {
    "send_payment": {
        *("getblockchaininfo", "listunspent", "lockunspent", "walletcreatefundedpsbt", "walletprocesspsbt"),
        *("finalizepsbt", "decoderawtransaction", "gettxspendingprevout", "testmempoolaccept", "sendrawtransaction"),
        *("gettransaction", "getmempoolentry", "gettxout", "listwallets"),
    },
    "broadcast_transaction": {
        *("combinepsbt", "finalizepsbt", "decoderawtransaction", "getmempoolentry", "gettransaction"),
        *("getrawtransaction", "gettxspendingprevout", "testmempoolaccept", "getaddressinfo", "gettxout"),
        *("getindexinfo", "listwallets", "sendrawtransaction"),
    },
    "sign_transaction": {
        *("walletprocesspsbt", "decodepsbt", "analyzepsbt", "gettxspendingprevout", "getaddressinfo", "finalizepsbt"),
    },
    "bump_fee": {
        *("psbtbumpfee", "walletprocesspsbt", "finalizepsbt", "decoderawtransaction", "gettxspendingprevout"),
        *("testmempoolaccept", "getmempoolentry", "sendrawtransaction", "gettransaction", "gettxout", "listwallets"),
    },
    "bump_fee_child": {
        *("getwalletinfo", "gettransaction", "getmempoolentry", "listunspent", "listlockunspent", "getnewaddress"),
        *("createpsbt", "analyzepsbt", "walletprocesspsbt", "finalizepsbt", "decoderawtransaction"),
        *("gettxspendingprevout", "testmempoolaccept", "sendrawtransaction", "gettxout", "listwallets"),
    },
}
each_spend = pytest.mark.parametrize("spend", SPENDS, ids=lambda one: one.name)


@cache
def explored(spend: Spend) -> Explored:
    return explore(spend, faults=2, at_most=EACH)


@each_spend
def test_no_schedule_of_two_faults_breaks_an_invariant(spend: Spend) -> None:
    found = explored(spend)

    assert found.broken == []
    assert found.ran.total() > 1_000
    assert found.ran[2] > 300


@each_spend
def test_every_call_is_tried_with_every_fault_it_can_have(spend: Spend) -> None:
    found = explored(spend)

    assert found.possible <= found.tried
    assert {name for name, _ in found.tried} >= CALLS[spend.name] | EVERY


@each_spend
def test_without_a_fault_the_first_answer_is_success(spend: Spend) -> None:
    run = trial(spend, Case(), {})
    assert (run.told, run.state, run.broken) == (["succeeded"], "succeeded", [])


def test_a_refusal_of_the_first_sending_is_final() -> None:
    run = trial(SEND_PAYMENT, Case(refuses=1), {})
    assert (run.told, run.node.effects) == (["refused"], [])


def test_what_waits_is_not_replaced_by_what_is_broadcast() -> None:
    run = trial(BROADCAST_TRANSACTION, Case(before=taken), {})
    assert (run.told, run.node.sent) == (["refused"], [])
