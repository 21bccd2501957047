"""What a process leaves locked on a real node when it is killed while the wallet chooses coins for a payment."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from functions.bitcoin.create_address import create_address
from functions.bitcoin.create_wallet import create_wallet
from functions.bitcoin.send_payment import send_payment
from infra.local.bitcoind import RegtestNode
from isthmus.bitcoin.coins import coins, outpoint
from isthmus.bitcoin.locks import locked, locked_coins
from isthmus.storage.table import Put
from tests.adapters.bitcoin.sender_on import received, sender_on
from tests.adapters.bitcoin.wallets_on import reached
from tests.faults.calls import ADDRESS, SmallWorld
from tests.faults.node import TILL
from tests.faults.wallet_world import real_world

pytestmark = pytest.mark.node

COIN_SAT = 1_000_000

KILLED = """
import signal, sys
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.bitcoin.locks import locked

url, cookie, wallet, coin = sys.argv[1:]
node = BitcoinCore.from_environment({"ISTHMUS_BITCOIN_URL": url, "ISTHMUS_BITCOIN_COOKIE": cookie})
with locked(node, wallet, {coin}):
    print("locked", flush=True)
    signal.pause()
"""


@pytest.fixture
def own_node(nodes: Any) -> RegtestNode:
    node: RegtestNode = nodes()
    return node


@pytest.fixture
def here(own_node: RegtestNode) -> Iterator[SmallWorld]:
    """A till with two coins."""
    with real_world(reached(own_node)) as made:
        made.call(create_wallet, {"name": "till"})
        sender_on(own_node, 2)
        for _ in range(2):
            received(made.node, made.call(create_address, {"wallet": "till"})[1]["address"], sat=COIN_SAT)
        own_node.mine(1)
        yield made


def pay(here: SmallWorld, key: str, amount_sat: int) -> tuple[int, Any]:
    recipients = [{"address": ADDRESS, "amount_sat": amount_sat}]
    wanted = {"wallet": "till", "recipients": recipients, "max_fee_sat": 10_000, "feerate_sat_per_kvb": 2_000}
    return here.call(send_payment, wanted, idempotency_key=key)[:2]


def kill_in_between(node: RegtestNode, coin: str) -> None:
    """A payment's process is killed while a coin is locked."""
    command = [sys.executable, "-c", KILLED, node.url, str(node.cookie), TILL, coin]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        process.kill()


def test_what_a_killed_process_left_locked_is_named_when_the_wallet_needs_it(
    here: SmallWorld, own_node: RegtestNode
) -> None:
    left, _ = sorted(outpoint(one) for one in coins(here.node, TILL))
    here.table.transact([Put("ledger/leases", f"bitcoin/{left}", {"payment_id": "x"})])
    kill_in_between(own_node, left)
    assert pay(here, "held", COIN_SAT + 50_000)[1]["type"] == "/problems/funds/bitcoin/not-funded"

    here.table.delete("ledger/leases", f"bitcoin/{left}")
    status, body = pay(here, "one", COIN_SAT + 50_000)
    assert (status, body["type"]) == (402, "/problems/funds/bitcoin/coins-locked")
    assert f"1 coin(s), {COIN_SAT} sat together" in body["detail"]
    assert locked_coins(here.node, TILL) == [left]
    assert pay(here, "less", 50_000)[0] == 201

    own_node.mine(1)
    txid, _, vout = left.partition(":")
    here.node.call("lockunspent", True, [{"txid": txid, "vout": int(vout)}], wallet=TILL)
    assert pay(here, "two", COIN_SAT + 50_000)[0] == 201


def test_an_operators_lock_outlives_payments_and_refusals(here: SmallWorld, own_node: RegtestNode) -> None:
    mine, other = sorted(outpoint(one) for one in coins(here.node, TILL))
    txid, _, vout = mine.partition(":")
    here.node.call("lockunspent", False, [{"txid": txid, "vout": int(vout)}], wallet=TILL)
    with locked(here.node, TILL, {mine, other}):
        assert sorted(locked_coins(here.node, TILL)) == [mine, other]

    assert pay(here, "too-much", COIN_SAT + 50_000)[1]["type"] == "/problems/funds/bitcoin/coins-locked"
    assert pay(here, "less", 50_000)[0] == 201
    assert locked_coins(here.node, TILL) == [mine]
