"""The schedule that follows all wallets: one event for each thing that happens, and none twice."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from functions.bitcoin.follow_wallets import follow_wallets
from isthmus import journal, wiring
from isthmus.bitcoin.following import aggregate
from isthmus.ports import BitcoinNode, Clock, Table
from isthmus.storage.adapters.sqlite import SqliteTable

TXID, BLOCK = "a" * 64, "b" * 64
SCHEDULED = {"source": "aws.scheduler", "resources": ["follow_wallets"], "detail": {}}


class Wallets:
    """A node with wallets of two tenants and of a stranger, and one transaction in the first."""

    def __init__(self) -> None:
        self.confirmations = 0
        self.asked: list[str] = []

    def call(self, method: str, *params: Any, deadline_s: float = 20.0, wallet: str = "") -> Any:
        if method == "listwalletdir":
            names = ("", "stranger", "isthmus.main.till", "isthmus.other.till", "isthmus.main.till.more")
            return {"wallets": [{"name": name} for name in names]}
        if method == "getmempoolentry":
            return {"vsize": 100, "fees": {"base": Decimal("0.00001")}}
        if method == "getblockchaininfo":
            return {"blocks": 107, "bestblockhash": "d" * 64}
        assert method == "listsinceblock"
        self.asked.append(wallet)
        entry: dict[str, Any] = {
            "txid": TXID,
            "category": "receive",
            "amount": Decimal("0.00005"),
            "address": "bcrt1q",
            "confirmations": self.confirmations,
        }
        if self.confirmations > 0:
            entry |= {"blockhash": BLOCK, "blockheight": 7}
        return {"transactions": [entry] if wallet == "isthmus.main.till" else [], "removed": [], "lastblock": "c" * 64}

    def now_ms(self) -> int:
        return 5


@pytest.fixture
def wallets(tmp_path: Path) -> Iterator[tuple[Wallets, SqliteTable]]:
    node, table = Wallets(), SqliteTable(tmp_path / "table.sqlite")
    with wiring.replaced({BitcoinNode: node, Clock: node, Table: table}):
        yield node, table


def test_each_tenants_wallets_are_followed_and_nobody_elses(wallets: tuple[Wallets, SqliteTable]) -> None:
    node, table = wallets
    assert follow_wallets(SCHEDULED, None) == {"wallets": 2, "events": 1}
    assert node.asked == ["isthmus.main.till", "isthmus.other.till"]

    head = journal.load(table, aggregate("main", "till", TXID))
    assert head is not None
    assert (head.state, head.data["net_sat"], head.data["tenant"]) == ("waiting", 5_000, "main")


def test_nothing_new_makes_no_event(wallets: tuple[Wallets, SqliteTable]) -> None:
    follow_wallets(SCHEDULED, None)
    assert follow_wallets(SCHEDULED, None)["events"] == 0


def test_a_confirmation_carries_its_block(wallets: tuple[Wallets, SqliteTable]) -> None:
    node, table = wallets
    follow_wallets(SCHEDULED, None)
    node.confirmations = 1

    assert follow_wallets(SCHEDULED, None)["events"] == 1
    head = journal.load(table, aggregate("main", "till", TXID))
    assert head is not None
    assert (head.state, head.data["block_hash"], head.data["height"]) == ("confirmed", BLOCK, 7)
