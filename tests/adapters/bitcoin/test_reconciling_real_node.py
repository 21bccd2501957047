"""Ledger and node compared on a real node: they agree until somebody pays by hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.bitcoin.bump_fee import bump_fee
from functions.bitcoin.create_address import create_address
from functions.bitcoin.create_wallet import create_wallet
from functions.bitcoin.reconcile_wallet import reconcile_wallet
from functions.bitcoin.send_payment import send_payment
from infra.local.bitcoind import RegtestNode
from isthmus import wiring
from isthmus.bitcoin.wallets import node_wallet
from isthmus.ports import Table
from isthmus.storage.adapters.sqlite import SqliteTable
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
    by_hand = reached_port(here).call("sendtoaddress", address(here), "0.001", wallet=TILL)
    assert differences(here) == [("unrecorded", by_hand)]


def test_a_payment_that_another_replaced_by_hand_is_found_with_the_one_that_did(here: SmallWorld) -> None:
    sent = pay(here, "one")
    other = reached_port(here).call("bumpfee", sent["txid"], wallet=TILL)["txid"]
    assert sorted(differences(here)) == sorted([("missing", sent["txid"]), ("unrecorded", other)])


def test_a_payment_that_was_replaced_by_the_ledger_is_no_difference(here: SmallWorld) -> None:
    sent = pay(here, "one")
    wanted = {"payment_id": sent["payment_id"], "max_fee_sat": 50_000, "feerate_sat_per_kvb": 20_000}
    status, bumped, _ = here.call(bump_fee, wanted, idempotency_key="two")
    assert (status, differences(here)) == (201, []), bumped


def reached_port(here: SmallWorld) -> Any:
    return here.node
