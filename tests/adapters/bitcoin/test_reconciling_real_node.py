"""Ledger and node compared on a real node: they agree until somebody pays by hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.bitcoin.bump_fee import bump_fee
from functions.bitcoin.create_address import create_address
from functions.bitcoin.create_wallet import create_wallet
from functions.bitcoin.follow_wallets import follow_wallets
from functions.bitcoin.reconcile_wallet import reconcile_wallet
from functions.bitcoin.send_payment import send_payment
from functions.ledger.get_payment import get_payment
from infra.local.bitcoind import ANYONE_CAN_SPEND, RegtestNode
from isthmus import wiring
from isthmus.bitcoin.wallets import node_wallet
from isthmus.ports import Table
from isthmus.storage.adapters.sqlite import SqliteTable
from tests.adapters.bitcoin.sender_on import received, rival, seen, sender_on
from tests.adapters.bitcoin.wallets_on import fund, reached
from tests.faults.calls import SmallWorld
from tests.faults.wallet_world import real_world

pytestmark = pytest.mark.node

TILL = node_wallet("main", "till")


@pytest.fixture
def own_node(nodes: Any) -> RegtestNode:
    node: RegtestNode = nodes()
    return node


@pytest.fixture
def here(own_node: RegtestNode, tmp_path: Path) -> Iterator[SmallWorld]:
    with real_world(reached(own_node)) as made, wiring.replaced({Table: SqliteTable(tmp_path / "table.sqlite")}):
        assert made.call(create_wallet, {"name": "till"})[0] == 201
        fund(own_node, address(made), 4)
        made.ms = own_node.rpc("getblockheader", own_node.rpc("getbestblockhash"))["time"] * 1000
        yield made


def address(here: SmallWorld) -> str:
    return str(here.call(create_address, {"wallet": "till", "type": "p2wpkh", "label": "of a test"})[1]["address"])


def differences(here: SmallWorld) -> list[tuple[str, str]]:
    status, body, _ = here.call(reconcile_wallet, {"wallet": "till"})
    assert (status, body["complete"]) == (200, True)
    return [(one["kind"], one["txid"]) for one in body["differences"]]


def pay(here: SmallWorld, key: str) -> dict[str, Any]:
    recipients = [{"address": address(here), "amount_sat": 70_000}]
    wanted = {"wallet": "till", "recipients": recipients, "max_fee_sat": 10_000, "feerate_sat_per_kvb": 2_000}
    status, sent, _ = here.call(send_payment, wanted, idempotency_key=key)
    assert status == 201
    return sent


def test_payments_agree_while_they_wait_and_when_they_are_mined(here: SmallWorld, own_node: RegtestNode) -> None:
    for key in ("one", "two", "three"):
        pay(here, key)
    assert differences(here) == []
    own_node.mine(1)
    assert differences(here) == []


def test_a_payment_that_was_made_past_the_ledger_is_found(here: SmallWorld) -> None:
    pay(here, "one")
    by_hand = here.node.call("sendtoaddress", address(here), "0.001", wallet=TILL)
    assert differences(here) == [("unrecorded", by_hand)]


def test_a_payment_that_another_replaced_by_hand_is_found_with_the_one_that_did(here: SmallWorld) -> None:
    sent = pay(here, "one")
    other = here.node.call("bumpfee", sent["txid"], wallet=TILL)["txid"]
    assert sorted(differences(here)) == sorted([("missing", sent["txid"]), ("unrecorded", other)])


def test_a_payment_that_was_replaced_by_the_ledger_is_no_difference(here: SmallWorld) -> None:
    bump(here, pay(here, "one")["payment_id"])
    assert differences(here) == []


def bump(here: SmallWorld, payment_id: str, feerate: int = 20_000) -> dict[str, Any]:
    wanted = {"payment_id": payment_id, "max_fee_sat": 50_000, "feerate_sat_per_kvb": feerate}
    status, bumped, _ = here.call(bump_fee, wanted, idempotency_key=f"{payment_id}-{feerate}")
    assert status == 201, bumped
    return bumped


def mine_only(here: SmallWorld, own_node: RegtestNode, txid: str) -> str:
    """A block of a miner who has seen nothing else."""
    raw = here.node.call("gettransaction", txid, wallet=TILL)["hex"]
    block = str(own_node.rpc("generateblock", f"raw({ANYONE_CAN_SPEND})", [raw])["hash"])
    seen(here.node)
    return block


def on_chain(here: SmallWorld, payment_id: str) -> Any:
    """What is shown of a payment's transaction once the wallets were followed."""
    follow_wallets({"source": "aws.scheduler", "resources": ["x"], "detail": {}}, None)
    record = here.call(get_payment, {"payment_id": payment_id})[1]
    assert record["state"] == "succeeded"
    return record


def test_a_payment_that_is_mined_although_it_was_replaced_has_overtaken_its_replacement(
    here: SmallWorld, own_node: RegtestNode
) -> None:
    old = pay(here, "one")
    new = bump(here, old["payment_id"])
    block = mine_only(here, own_node, old["txid"])

    (found,) = here.call(reconcile_wallet, {"wallet": "till"})[1]["differences"]
    assert (found["kind"], found["txid"], found["mined_txid"]) == ("overtaken", new["txid"], old["txid"])
    assert found["payment_id"] == new["payment_id"]
    first, second = on_chain(here, old["payment_id"]), on_chain(here, new["payment_id"])
    assert (first["replaced_by"], first["chain"]["state"], first["chain"]["block_hash"]) == (
        new["payment_id"],
        "confirmed",
        block,
    )
    assert (second["replaces"], second["chain"]["state"]) == (old["payment_id"], "conflicted")


def test_the_first_of_three_has_overtaken_the_last(here: SmallWorld, own_node: RegtestNode) -> None:
    first = pay(here, "one")
    second = bump(here, first["payment_id"])
    third = bump(here, second["payment_id"], 40_000)
    mine_only(here, own_node, first["txid"])

    assert differences(here) == [("overtaken", third["txid"])]


def test_when_the_block_leaves_the_chain_nothing_is_overtaken_any_more(here: SmallWorld, own_node: RegtestNode) -> None:
    old = pay(here, "one")
    new = bump(here, old["payment_id"])
    block = mine_only(here, own_node, old["txid"])
    assert on_chain(here, new["payment_id"])["chain"]["state"] == "conflicted"
    own_node.rpc("invalidateblock", block)
    mine_only(here, own_node, new["txid"])

    assert differences(here) == []
    assert on_chain(here, new["payment_id"])["chain"]["state"] == "confirmed"
    assert on_chain(here, old["payment_id"])["chain"]["state"] == "conflicted"


def test_a_child_whose_parent_was_replaced_by_its_sender_is_an_orphan(here: SmallWorld, own_node: RegtestNode) -> None:
    sender_on(own_node, 1)
    parent = received(here.node, address(here))
    wanted = {"txid": parent, "wallet": "till", "max_fee_sat": 50_000, "feerate_sat_per_kvb": 20_000}
    status, child, _ = here.call(bump_fee, wanted, idempotency_key="child")
    assert (status, differences(here)) == (201, []), child

    rival(here.node, parent)
    assert differences(here) == []
    own_node.mine(1)
    seen(here.node)
    assert differences(here) == [("orphaned", child["txid"])]
    assert on_chain(here, child["payment_id"])["chain"]["state"] == "conflicted"
