"""Wallets followed through real reorganisations: the state follows the chain, and what left it is taken back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.local.bitcoind import RegtestNode
from isthmus import journal
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.bitcoin.following import aggregate
from isthmus.bitcoin.listing import follow
from isthmus.bitcoin.wallets import make_wallet, node_wallet, wallet_call
from isthmus.storage.adapters.sqlite import SqliteTable
from tests.adapters.bitcoin.wallets_on import strange, stranger

pytestmark = pytest.mark.node
WALLET = node_wallet("main", "till")
OTHER = "52"
"""Another script than the first chain pays its blocks to: the same block again would be as invalid as before."""


class Followed:
    """A node with a funded wallet that is followed into a table."""

    def __init__(self, node: RegtestNode, folder: Path) -> None:
        self.node = node
        self.core = BitcoinCore.from_environment(
            {"ISTHMUS_BITCOIN_URL": node.url, "ISTHMUS_BITCOIN_COOKIE": str(node.cookie)}
        )
        self.table = SqliteTable(folder / "table.sqlite")
        make_wallet(self.core, "main", "till", watch_only=False)
        script = self.core.call("validateaddress", self.address())["scriptPubKey"]
        node.mine(1, script_pubkey=script)
        node.mine(101)
        self.look()

    def address(self) -> str:
        found: str = wallet_call(self.core, WALLET, "getnewaddress", "", "bech32m")
        return found

    def pay(self) -> str:
        """A payment of the wallet to itself; its txid. In this test the wallet's own way to pay will do."""
        txid: str = wallet_call(self.core, WALLET, "send", {self.address(): "1.5"}, None, "unset", "2")["txid"]
        return txid

    def look(self) -> int:
        return follow(self.table, self.core, "main", "till", WALLET, 1)

    def types(self, txid: str) -> list[str]:
        journal.verify(self.table, aggregate("main", "till", txid))
        return [event.type for event in journal.history(self.table, aggregate("main", "till", txid))]

    def state(self, txid: str) -> str:
        head = journal.load(self.table, aggregate("main", "till", txid))
        assert head is not None
        return head.state


@pytest.fixture
def followed(fresh_node: Callable[..., RegtestNode], tmp_path: Path) -> Any:
    return Followed(fresh_node(), tmp_path)


def test_a_payment_is_seen_confirmed_and_settled(followed: Followed) -> None:
    txid = followed.pay()
    followed.look()
    followed.node.mine(1)
    followed.look()
    followed.node.mine(5)
    followed.look()

    assert followed.types(txid) == ["seen", "confirmed", "settled"]
    assert followed.look() == 0


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 6])
def test_a_reorganisation_takes_back_what_its_blocks_said(followed: Followed, depth: int) -> None:
    txid = followed.pay()
    (first, *_) = followed.node.mine(depth)
    followed.look()
    before = followed.types(txid)
    assert before == (["confirmed"] if depth < 6 else ["confirmed", "settled"])

    followed.node.rpc("invalidateblock", first)
    followed.look()
    assert followed.state(txid) == "waiting"

    followed.node.mine(depth + 1, script_pubkey=OTHER)
    followed.look()
    added = ["reorged", "seen", "confirmed"] + (["settled"] if depth + 1 >= 6 else [])
    assert followed.types(txid) == before + added
    head = journal.load(followed.table, aggregate("main", "till", txid))
    assert head is not None
    assert head.data["block_hash"] != first
    assert head.data["left_block_hash"] == first


def test_a_double_spend_that_wins_makes_the_first_one_conflicted(followed: Followed) -> None:
    txid = followed.pay()
    followed.look()
    inputs = followed.node.rpc("getrawtransaction", txid, 2)["vin"]
    coins = [{"txid": one["txid"], "vout": one["vout"]} for one in inputs]
    raw = followed.core.call("createrawtransaction", coins, [{followed.address(): "49.9"}])
    other = wallet_call(followed.core, WALLET, "signrawtransactionwithwallet", raw)["hex"]
    followed.node.rpc("generateblock", "raw(51)", [other])
    followed.look()

    assert followed.types(txid) == ["seen", "conflicted"]


def test_what_was_received_and_is_undone_by_a_reorganisation_is_taken_back(followed: Followed) -> None:
    script = followed.core.call("validateaddress", followed.address())["scriptPubKey"]
    other = strange(followed.node, 5_000)
    txid = stranger(followed.node, 1_000, script)
    (first,) = followed.node.mine(1)
    followed.look()
    followed.node.rpc("invalidateblock", first)
    followed.node.rpc("generateblock", f"raw({OTHER})", [other])
    followed.look()

    assert followed.types(txid) == ["confirmed", "reorged", "conflicted"]
    followed.node.mine(101)
    followed.look()
    assert followed.types(txid) == ["confirmed", "reorged", "conflicted"]
    assert txid not in {row.sk for row in followed.table.query(f"bitcoin/live/{WALLET}").rows}


def test_what_was_received_and_is_replaced_is_dropped(followed: Followed) -> None:
    script = followed.core.call("validateaddress", followed.address())["scriptPubKey"]
    txid = stranger(followed.node, 1_000, script)
    followed.node.rpc("syncwithvalidationinterfacequeue")
    followed.look()
    stranger(followed.node, 30_000)
    followed.look()

    assert followed.types(txid) == ["seen", "dropped"]
    followed.node.mine(1)
    followed.look()
    assert followed.types(txid) == ["seen", "dropped", "conflicted"]


def test_a_follower_that_was_away_for_a_whole_reorganisation_catches_up(followed: Followed) -> None:
    txid = followed.pay()
    (first,) = followed.node.mine(1)
    followed.look()
    followed.node.mine(8)
    followed.node.rpc("invalidateblock", first)
    followed.node.mine(20, script_pubkey=OTHER)
    followed.look()

    assert followed.types(txid)[-3:] == ["reorged", "confirmed", "settled"]
