"""Broadcast, replacement and races between payments on a real node's mempool."""

from collections.abc import Iterator
from typing import Any

import pytest

from functions.bitcoin.broadcast_transaction import broadcast_transaction
from functions.bitcoin.bump_fee import bump_fee
from functions.bitcoin.create_address import create_address
from functions.bitcoin.create_wallet import create_wallet
from functions.bitcoin.send_payment import send_payment
from functions.ledger.get_payment import get_payment
from infra.local.bitcoind import RegtestNode
from isthmus.bitcoin.building import Draft, Recipient
from isthmus.bitcoin.payments import BitcoinPayments
from isthmus.effects import Refused
from tests.adapters.bitcoin.wallets_on import fund, reached
from tests.faults.calls import ADDRESS, SmallWorld
from tests.faults.wallet_world import TILL, real_world

pytestmark = pytest.mark.node

WANTED: dict[str, Any] = {
    "wallet": "till",
    "recipients": [{"address": ADDRESS, "amount_sat": 50_000}],
    "max_fee_sat": 10_000,
    "feerate_sat_per_kvb": 2_000,
}


@pytest.fixture(scope="module")
def own_node(nodes: Any) -> RegtestNode:
    """A node with a till of twenty mature coins."""
    node: RegtestNode = nodes()
    with real_world(reached(node)) as made:
        made.call(create_wallet, {"name": "till"})
        fund(node, made.call(create_address, {"wallet": "till"})[1]["address"], 20)
    return node


@pytest.fixture
def here(own_node: RegtestNode) -> Iterator[SmallWorld]:
    with real_world(reached(own_node)) as made:
        yield made
        own_node.mine(1)


def paid(here: SmallWorld, **other: Any) -> Any:
    status, body, _ = here.call(send_payment, WANTED | other, idempotency_key="paid")
    assert status == 201, body
    return body


def built(here: SmallWorld, feerate: str = "2.000", **options: Any) -> str:
    """A signed transaction of the till that nobody has seen."""
    node: Any = here.node
    asked = {"fee_rate": feerate} | options
    inputs = asked.pop("inputs", [])
    psbt = node.call("walletcreatefundedpsbt", inputs, [{ADDRESS: "0.0007"}], 0, asked, wallet=TILL)["psbt"]
    return str(node.call("walletprocesspsbt", psbt, True, wallet=TILL)["hex"])


def broadcast(here: SmallWorld, raw: str, key: str = "raw", **other: Any) -> tuple[int, Any]:
    wanted = {"transaction": raw, "max_spent_sat": 80_000, "wallet": "till"} | other
    return here.call(broadcast_transaction, wanted, idempotency_key=key)[:2]


def bump(here: SmallWorld, payment_id: str, key: str = "bump", feerate: int = 20_000) -> tuple[int, Any]:
    wanted = {"payment_id": payment_id, "max_fee_sat": 20_000, "feerate_sat_per_kvb": feerate}
    return here.call(bump_fee, wanted, idempotency_key=key)[:2]


def test_change_is_segwit_whomever_is_paid(here: SmallWorld, own_node: RegtestNode) -> None:
    sent = paid(here)
    change = own_node.rpc("getrawtransaction", sent["txid"], True)["vout"][sent["change_index"]]

    assert change["scriptPubKey"]["type"] == "witness_v0_keyhash"


def test_a_signed_transaction_is_sent_and_again_it_is_known(here: SmallWorld, own_node: RegtestNode) -> None:
    raw = built(here)
    status, first = broadcast(here, raw)
    assert (status, first["known"], first["spent_sat"]) == (201, False, 70_000 + first["fee_sat"])
    assert first["txid"] in own_node.rpc("getrawmempool")

    waiting = broadcast(here, raw, "two", max_spent_sat=1)
    own_node.mine(1)
    mined, without_wallet = broadcast(here, raw, "three"), broadcast(here, raw, "four", wallet=None)

    for answer in (waiting, mined, without_wallet):
        assert (answer[0], answer[1]["known"], answer[1]["spent_sat"]) == (201, True, 0)


def test_without_a_wallet_all_that_is_paid_counts(here: SmallWorld) -> None:
    raw = built(here)
    assert broadcast(here, raw, wallet=None)[1]["type"] == "/problems/refused/bitcoin/above-limit"
    status, body = broadcast(here, raw, "more", wallet=None, max_spent_sat=5_000_000_000)
    assert (status, body["spent_sat"] > 4_000_000_000) == (201, True)


def test_a_better_paying_rival_of_a_payment_is_not_broadcast(here: SmallWorld, own_node: RegtestNode) -> None:
    sent = paid(here)
    coins = own_node.rpc("getrawtransaction", sent["txid"], True)["vin"]
    inputs = [{"txid": one["txid"], "vout": one["vout"]} for one in coins]
    rival = built(here, "90.000", inputs=inputs, add_inputs=False)

    assert broadcast(here, rival)[1]["type"] == "/problems/refused/bitcoin/would-replace"
    assert sent["txid"] in own_node.rpc("getrawmempool")


def test_a_payment_with_chosen_coins_does_not_undo_another(here: SmallWorld, own_node: RegtestNode) -> None:
    sent = paid(here)
    (coin,) = own_node.rpc("getrawtransaction", sent["txid"], True)["vin"]
    wanted = WANTED | {"coins": [f"{coin['txid']}:{coin['vout']}"], "feerate_sat_per_kvb": 30_000}
    status, body, _ = here.call(send_payment, wanted, idempotency_key="rival")

    assert (status, body["type"]) == (422, "/problems/refused/bitcoin/would-replace")
    assert sent["txid"] in own_node.rpc("getrawmempool")


def test_a_payment_that_was_prepared_before_another_took_its_coin_does_not_undo_it(
    here: SmallWorld, own_node: RegtestNode
) -> None:
    node: Any = here.node
    late = Draft(TILL, [Recipient(ADDRESS, 40_000)], max_fee_sat=50_000, feerate_sat_per_kvb=30_000)
    prepared = BitcoinPayments(node, lambda: ()).prepare(late)
    sent = paid(here, coins=list(prepared.leases))

    outcome = BitcoinPayments(node, lambda: ()).send(prepared)

    assert isinstance(outcome, Refused)
    assert own_node.rpc("getrawmempool") == [sent["txid"]]


def test_a_bumped_payment_pays_the_same_and_is_mined_instead(here: SmallWorld, own_node: RegtestNode) -> None:
    old = paid(here)
    status, new = bump(here, old["payment_id"])
    assert (status, new["amount_sat"]) == (201, 50_000), new
    assert new["fee_sat"] > old["fee_sat"]
    assert own_node.rpc("getrawmempool") == [new["txid"]]
    own_node.mine(1)

    outputs = own_node.rpc("getrawtransaction", new["txid"], True)["vout"]
    assert [int(one["value"] * 100_000_000) for one in outputs if one["scriptPubKey"]["address"] == ADDRESS] == [50_000]
    assert outputs[new["change_index"]]["scriptPubKey"]["address"] != ADDRESS
    record = here.call(get_payment, {"payment_id": old["payment_id"]})[1]
    assert (record["state"], record["replaced_by"]) == ("succeeded", new["payment_id"])
    assert bump(here, old["payment_id"]) == (201, new)


def test_a_bump_can_be_bumped_but_neither_a_replaced_nor_a_mined_one(here: SmallWorld, own_node: RegtestNode) -> None:
    old = paid(here)
    first = bump(here, old["payment_id"])[1]

    assert bump(here, old["payment_id"], "two", 40_000)[1]["type"] == "/problems/refused/bitcoin/replaced"
    second = bump(here, first["payment_id"], "three", 40_000)[1]
    assert own_node.rpc("getrawmempool") == [second["txid"]]
    own_node.mine(1)
    assert bump(here, second["payment_id"], "four", 60_000)[1]["type"] == "/problems/refused/bitcoin/not-bumpable"


def test_a_feerate_that_is_too_low_to_replace_is_refused(here: SmallWorld, own_node: RegtestNode) -> None:
    old = paid(here)
    assert bump(here, old["payment_id"], feerate=2_000)[1]["type"] == "/problems/refused/bitcoin/not-bumpable"
    assert own_node.rpc("getrawmempool") == [old["txid"]]


def test_a_payment_that_signals_no_replacement_is_left_alone(here: SmallWorld, own_node: RegtestNode) -> None:
    old = paid(here, replaceable=False)
    assert bump(here, old["payment_id"])[1]["type"] == "/problems/refused/bitcoin/not-bumpable"
    assert own_node.rpc("getrawmempool") == [old["txid"]]


@pytest.mark.parametrize("transaction", ["00" * 40, "02" * 100, "0200000000010000000000", "ff" * 30])
def test_what_is_no_transaction_is_invalid(here: SmallWorld, transaction: str) -> None:
    status, body = broadcast(here, transaction)
    assert (status, body["kind"]) == (422, "invalid")


def test_a_transaction_with_a_broken_signature_is_refused(here: SmallWorld, own_node: RegtestNode) -> None:
    raw = built(here)
    broken = raw[:-80] + "00" * 5 + raw[-70:]
    status, body = broadcast(here, broken)

    assert status == 422, body
    assert own_node.rpc("getrawmempool") == []
