"""Money on the running system and a real node: paid once, whoever asks how often and whatever is killed meanwhile.

ISTHMUS_KILLS says how often the whole system is killed (20); the figures are written to build/spending-kills.json.
"""

import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from infra.local.bitcoind import RegtestNode
from tests.system.spending import AMOUNT_SAT, PASSES, Till, kill_all

pytestmark = [pytest.mark.node, pytest.mark.system]

KILLS = int(os.environ.get("ISTHMUS_KILLS", "20"))
PAYERS = 6
AT_ONCE = 50
LONGEST_LIFE_S = 2.0
LONGEST_WAIT_S = 60
REPORT = Path(__file__).parents[2] / "build" / "spending-kills.json"
NOTHING = {"leases": 0, "unsettled": 0, "locked": 0, "reserved_msat": 0}
NO = (402, 409, 410, 422, 429)


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
    till.open(4 * PAYERS)
    chance, figures = random.Random(4), Counter[str]()
    payees = iter(till.payees(KILLS * 200))
    begun = till.node.rpc("getblockcount")
    for kill in range(KILLS):
        keys = _killed_while_paying(till, kill, payees, chance.uniform(0, LONGEST_LIFE_S), figures)
        till.system.up()
        for key in keys[::2]:  # the other half of the clients never comes back
            _until_definite(till, key)
        passes = till.settle()
        figures["passes"] += passes
        figures["most passes"] = max(figures["most passes"], passes)
        till.node.mine(1)
        _note(figures)

    paid = till.paid(begun)
    states = {key: till.state(key) for key in till.told}
    figures |= Counter({f"state {state or 'not recorded'}": n for state, n in Counter(states.values()).items()})
    figures["payments asked for"] = len(till.told)
    figures["paid twice"] = sum(paid[address] > 1 for address in till.addresses.values())
    figures["told paid, and not paid"] = sum(_told_paid(till, key) > paid[till.addresses[key]] for key in till.told)
    _note(figures)
    sys.stdout.write(f"\n{dict(sorted(figures.items()))}\n")

    wrong = {key: state for key, state in states.items() if not _agree(till, key, state, paid)}
    assert wrong == {}
    assert till.held_back() == NOTHING
    assert figures["most passes"] <= PASSES
    assert figures["killed with payments under way"] >= KILLS // 2


def _killed_while_paying(till: Till, kill: int, payees: Any, life_s: float, figures: Counter[str]) -> list[str]:
    """Payers pay until the system is killed under them; the keys they used."""
    over, keys = Event(), list[str]()

    def payer(number: int) -> None:
        for count in range(1_000):
            if over.is_set():
                return
            keys.append(f"{kill}-{number}-{count}")
            till.pay(keys[-1], next(payees))

    with ThreadPoolExecutor(PAYERS) as pool:
        for number in range(PAYERS):
            pool.submit(payer, number)
        time.sleep(life_s)
        over.set()
        under_way = sum(key not in till.told for key in keys)
        figures["processes killed"] += kill_all(json.loads((till.system.home / "runtime.json").read_text())["pid"])
    figures["kills"] += 1
    figures["killed with payments under way"] += under_way > 0
    figures["payments under way"] += under_way
    return keys


def _until_definite(till: Till, key: str) -> None:
    """What a careful client does: the same key, until the answer is definite."""
    deadline = time.monotonic() + LONGEST_WAIT_S
    while time.monotonic() < deadline:
        answer = till.pay(key, till.addresses[key])
        if answer is not None and answer.status in (201, *NO):
            return
        if answer is not None and answer.status == 202:
            till.settle()
    raise AssertionError(f"{key} has no definite answer: {till.told[key][-1]}")


def _agree(till: Till, key: str, state: str, paid: Counter[str]) -> bool:
    """Whether the client, the ledger and the chain say the same of one payment."""
    if state not in ("succeeded", "refused", "postponed", ""):
        return False
    return paid[till.addresses[key]] == (state == "succeeded") >= _told_paid(till, key)


def _told_paid(till: Till, key: str) -> bool:
    return any(one is not None and one.status == 201 for one in till.told[key])


def _note(figures: Counter[str]) -> None:
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(dict(sorted(figures.items())), indent=2) + "\n")
