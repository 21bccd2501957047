"""What the ledger has paid and what the node has sent are compared both ways."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from functions.bitcoin.bump_fee import bump_fee
from functions.bitcoin.reconcile_wallet import reconcile_wallet
from functions.bitcoin.send_payment import send_payment
from isthmus import feed, journal, wiring
from isthmus.ports import BitcoinNode, Clock, Table
from isthmus.storage.adapters.sqlite import SqliteTable
from tests.faults.calls import SmallWorld, small_world
from tests.faults.node import btc
from tests.faults.wallet_world import WalletNode
from tests.operations.ledger.test_get_payment import WANTED

DAY_MS = 86_400_000
FEE = Decimal("-0.00000300")
STRAY = "5" * 64


@dataclass
class TellingNode(WalletNode):
    """A node that tells what its wallet has sent."""

    at_s: int = 1_800_000_000
    strays: list[dict[str, Any]] = field(default_factory=list)
    fee: Decimal = FEE
    abandoned: set[str] = field(default_factory=set)

    def listtransactions(self, label: str, count: int, skip: int, watched: bool) -> Any:  # noqa: FBT001 - the node's
        every = [*self.strays, *(self._entry(txid) for txid in [*self.mempool, *self.chain])]
        return every[::-1][skip : skip + count]

    def gettransaction(self, txid: str, *watched: Any) -> Any:
        return self._entry(txid) | super().gettransaction(txid)

    def _entry(self, txid: str) -> dict[str, Any]:
        category = "receive" if txid in self.arrived else "send"
        told = {"txid": txid, "category": category, "amount": Decimal("-0.0005"), "fee": self.fee, "time": self.at_s}
        return told | {"confirmations": int(txid in self.chain), "abandoned": txid in self.abandoned}


class Books(SmallWorld):
    """The small world, with that node and a store that reads backwards."""

    table: Any
    node: TellingNode

    def differences(self, **more: Any) -> list[tuple[str, str]]:
        status, body, _ = self.call(reconcile_wallet, {"wallet": "till", **more})
        assert (status, body["complete"]) == (200, True)
        return [(one["kind"], one["txid"]) for one in body["differences"]]

    def pay(self, key: str) -> str:
        status, body, _ = self.call(send_payment, WANTED, idempotency_key=key)
        assert status == 201
        return str(body["txid"])


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Books]:
    with small_world():
        made = Books()
        made.table, made.node = SqliteTable(tmp_path / "table.sqlite"), TellingNode(made.world, made.node.coins)
        with wiring.replaced({Table: made.table, BitcoinNode: made.node, Clock: made}):
            yield made


@pytest.mark.parametrize("relayed", [True, False])
def test_what_was_paid_and_sent_is_no_difference(here: Books, relayed: bool) -> None:  # noqa: FBT001 - two cases
    here.pay("one")
    if relayed:
        feed.relay(here.table, lambda: True)
    status, body, _ = here.call(reconcile_wallet, {"wallet": "till"})

    assert (status, body["payments"], body["transactions"]) == (200, 1, 1)
    assert (body["differences"], body["complete"]) == ([], True)


def stray(here: Books, **more: Any) -> None:
    told = {"txid": STRAY, "category": "send", "amount": Decimal(-1), "fee": FEE, "time": here.node.at_s}
    here.node.strays.append(told | {"confirmations": 3, "abandoned": False} | more)


def test_what_the_wallet_has_sent_without_the_ledger_is_listed(here: Books) -> None:
    here.pay("one")
    stray(here)
    assert here.differences() == [("unrecorded", STRAY)]


@pytest.mark.parametrize(
    "more",
    [
        {"category": "receive"},
        {"abandoned": True, "confirmations": 0},
        {"replaced_by_txid": "6" * 64, "confirmations": 0},
        {"confirmations": -2},
        {"time": 1},
    ],
)
def test_what_was_received_or_given_up_or_is_long_ago_is_not(here: Books, more: dict[str, Any]) -> None:
    stray(here, **more)
    assert here.differences() == []


def test_what_was_paid_and_is_gone_is_listed(here: Books) -> None:
    txid = here.pay("one")
    here.node.mempool.clear()
    assert here.differences() == [("missing", txid)]


def test_what_was_paid_and_abandoned_is_listed(here: Books) -> None:
    txid = here.pay("one")
    here.node.abandoned.add(txid)
    assert here.differences() == [("missing", txid)]


@pytest.mark.parametrize("bumps", [1, 2])
def test_what_is_mined_although_it_was_replaced_has_overtaken_the_last_replacement(here: Books, bumps: int) -> None:
    txid = here.pay("one")
    body = here.node.mempool[txid]
    (name,) = [row.item["aggregate"] for row in here.table.query(journal.OUTBOX).rows if row.item["version"] == 1]
    latest = {"payment_id": name.rpartition("/")[2]}
    for number in range(bumps):
        wanted = {"payment_id": latest["payment_id"], "max_fee_sat": 5_000}
        latest = here.call(bump_fee, wanted, idempotency_key=f"bump-{number}")[1]
    here.node.mempool.clear()
    here.node.chain[txid] = body
    (found,) = here.call(reconcile_wallet, {"wallet": "till"})[1]["differences"]

    assert (found["kind"], found["txid"], found["mined_txid"]) == ("overtaken", latest["txid"], txid)
    assert found["payment_id"] == latest["payment_id"]


def test_a_child_whose_parent_a_block_excludes_is_an_orphan_and_before_it_is_missing(here: Books) -> None:
    here.node.arrive(STRAY, 40_000)
    wanted = {"txid": STRAY, "wallet": "till", "max_fee_sat": 9_000, "feerate_sat_per_kvb": 20_000}
    child = here.call(bump_fee, wanted, idempotency_key="child")[1]
    here.node.fee = -btc(child["fee_sat"])
    assert here.differences() == []

    gone = here.node.mempool.pop(child["txid"])
    assert here.differences() == [("missing", child["txid"])]
    here.node.mempool[child["txid"]] = gone
    here.node.exclude(STRAY)
    assert here.differences() == [("orphaned", child["txid"])]


def test_what_cost_something_else_is_listed(here: Books) -> None:
    txid = here.pay("one")
    here.node.fee = FEE * 2
    assert here.differences() == [("fee", txid)]


def test_what_was_refused_and_turns_up_is_listed(here: Books) -> None:
    here.node.refuses = 1
    assert here.call(send_payment, WANTED, idempotency_key="one")[0] == 422
    (txid,) = here.node.sent
    here.node.chain[txid] = {"coins": [], "amount": 0, "serial": 0, "to": []}
    assert here.differences() == [("contradicted", txid)]


def test_what_was_paid_before_the_days_asked_for_is_left_alone(here: Books) -> None:
    here.pay("one")
    here.node.mempool.clear()
    here.ms += 2 * DAY_MS
    assert here.differences(days=1) == []
    assert len(here.differences(days=3)) == 1


def test_many_pages_of_transactions_are_read(here: Books) -> None:
    for number in range(1_200):
        stray(here, txid=f"{number:064x}")
    assert len(here.differences()) == 1_200


def test_another_tenants_wallet_is_answered_like_none(here: Books) -> None:
    theirs = here.call(reconcile_wallet, {"wallet": "till"}, caller=here.owner("other"))
    nobodys = here.call(reconcile_wallet, {"wallet": "none"}, caller=here.owner("other"))

    assert theirs[0] == 404
    assert theirs[1] == nobodys[1]


def test_a_node_that_speaks_nonsense_is_not_believed(here: Books) -> None:
    here.node.strays.append({"category": "send", "time": here.node.at_s})
    assert here.call(reconcile_wallet, {"wallet": "till"})[0] >= 500
