"""Money on the running system and a real node: paid once, whoever asks how often and whatever is killed meanwhile."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from infra.local.bitcoind import RegtestNode
from tests.system.kills import killed_while_paying
from tests.system.spending import AMOUNT_SAT, NOTHING, Till

pytestmark = [pytest.mark.node, pytest.mark.system]

KILLS = 20
AT_ONCE = 50


@pytest.fixture
def till(fresh_node: Callable[..., RegtestNode], system_on: Callable[..., Any]) -> Till:
    """A system with an empty wallet."""
    node = fresh_node()
    return Till(node, system_on(node))


def told(till: Till, keys_and_addresses: list[tuple[str, str]], amount_sat: int = AMOUNT_SAT) -> list[Any]:
    """The answers to payments that are asked for at one moment."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda one: till.pay(*one, amount_sat), keys_and_addresses))


def test_a_payment_arrives_and_the_same_key_tells_of_it_again(till: Till) -> None:
    till.open(2)
    (payee,) = till.payees(1)
    first, second = till.pay("rent", payee), till.pay("rent", payee)

    assert (first.status, second.json) == (201, first.json)
    assert till.node.rpc("getrawmempool") == [first.json["txid"]]
    assert till.system.get("/v1/bitcoin/wallets/till/balance")["leased_sat"] == 0


def test_fifty_parallel_calls_with_one_key_pay_once(till: Till) -> None:
    till.open(AT_ONCE)
    (payee,) = till.payees(1)
    answers = told(till, [("one", payee)] * AT_ONCE)

    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) <= {201, 202, 503}, statuses
    till.settle()
    assert till.pay("one", payee).status == 201
    assert till.paid()[payee] == 1
    assert len({answer.json["txid"] for answer in answers if answer.status == 201}) == 1
    assert till.held_back() == NOTHING


def test_fifty_keys_with_funds_for_one_pay_once(till: Till) -> None:
    till.open(1)
    payees = till.payees(AT_ONCE)
    keys = [(f"key-{number}", payee) for number, payee in enumerate(payees)]
    coin_sat = till.system.get("/v1/bitcoin/wallets/till/balance")["confirmed_sat"]
    answers = told(till, keys, coin_sat - 10_000)

    kinds = Counter(answer.json.get("type", "paid") for answer in answers)
    assert {answer.status for answer in answers} <= {201, 202, 402, 503}, kinds
    till.settle()
    states = Counter(till.state(key) for key, _ in keys)
    assert sum(till.paid()[payee] for payee in payees) == states["succeeded"] == 1
    assert till.held_back() == NOTHING


def test_killed_at_random_moments_nothing_is_paid_twice_and_nothing_is_lost(till: Till) -> None:
    killed = killed_while_paying(till, KILLS)
    assert killed.violations == []
    assert killed.figures["kills"] == KILLS
    assert killed.figures["killed with payments under way"] >= KILLS * 3 // 4
