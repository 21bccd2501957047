"""Watches on a real node: every kind of script, transactions of no wallet, reorganisations, replacements, the past."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from functions.bitcoin.follow_watches import follow_watches
from functions.bitcoin.list_watches import list_watches
from functions.bitcoin.unwatch import unwatch
from functions.bitcoin.watch import watch
from infra.local.bitcoind import ANYONE_CAN_SPEND, RegtestNode
from isthmus import feed, journal, wiring
from isthmus.bitcoin.wallets import make_wallet, wallet_call
from isthmus.ports import BitcoinNode, Table
from isthmus.storage.adapters.sqlite import SqliteTable
from tests.adapters.bitcoin.wallets_on import fund, reached, stranger
from tests.faults.wallet_world import real_world

pytestmark = pytest.mark.node

TILL = "isthmus.main.till"
KEY = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
OUTSIDE = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
MAINNET = (
    "wpkh(xpub6ERApfZwUNrhLCkDtcHTcxd75RbzS1ed54G1LkBUHQVHQKqhMkhgbmJbZRkrgZw4koxb5JaHWkY4ALHY2grBGRjaDMzQLcgJvLJuZZvR"
    "cEL/0/*)"
)
OTHER = "52"
"""Another script than the first chain pays its blocks to: the same block again would be as invalid as before."""


@dataclass
class Place:
    """A tenant with a till, and what it is told."""

    here: Any
    node: RegtestNode

    def till(self, method: str, *params: Any) -> Any:
        return wallet_call(self.here.node, TILL, method, *params)

    def address(self, kind: str = "bech32") -> str:
        return str(self.till("getnewaddress", "", kind))

    def pay(self, address: str, btc: str = "0.5") -> str:
        txid: str = self.till("send", {address: btc}, None, "unset", "2")["txid"]
        self.node.rpc("syncwithvalidationinterfacequeue")
        return txid

    def spend(self, inputs: list[tuple[str, int]], outputs: list[dict[str, str]]) -> str:
        raw = self.here.node.call(
            "createrawtransaction", [{"txid": txid, "vout": vout} for txid, vout in inputs], outputs
        )
        signed = self.till("signrawtransactionwithwallet", raw)
        assert signed["complete"], signed
        txid = str(self.node.rpc("sendrawtransaction", signed["hex"], 0))
        self.node.rpc("syncwithvalidationinterfacequeue")
        return txid

    def output(self, txid: str, address: str) -> int:
        outputs = self.till("gettransaction", txid, True, True)["decoded"]["vout"]
        return next(one["n"] for one in outputs if one["scriptPubKey"].get("address") == address)

    def watch(self, **wanted: Any) -> str:
        return str(self.made(**wanted)["watch_id"])

    def made(self, **wanted: Any) -> dict[str, Any]:
        status, body, _ = self.here.call(watch, wanted)
        assert status == 201, body
        return body

    def look(self) -> int:
        self.here.ms += 60_000
        event = {"source": "aws.scheduler", "resources": ["follow_watches"], "detail": {}}
        return int(follow_watches(event, None)["events"])

    def events(self, watch_id: str, txid: str) -> list[str]:
        name = f"bitcoin/transaction/main/{watch_id}/{txid}"
        found = journal.history(self.here.table, name)
        if found:
            journal.verify(self.here.table, name)
        return [one.type for one in found]

    def head(self, watch_id: str, txid: str) -> journal.Head:
        head = journal.load(self.here.table, f"bitcoin/transaction/main/{watch_id}/{txid}")
        assert head is not None
        return head

    def listed(self) -> dict[str, dict[str, Any]]:
        status, body, _ = self.here.call(list_watches, {"limit": 200})
        assert status == 200
        return {one["watch_id"]: one for one in body["watches"]}


def placed(node: RegtestNode, folder: Path) -> Iterator[Place]:
    table = SqliteTable(folder / "table.sqlite")
    with real_world(reached(node)) as here, wiring.replaced({Table: table}):
        here.table = table
        make_wallet(here.node, "main", "till", watch_only=False)
        place = Place(here, node)
        fund(node, place.address(), 5)
        place.look()
        yield place


@pytest.fixture
def place(fresh_node: Callable[..., RegtestNode], tmp_path: Path) -> Iterator[Place]:
    yield from placed(fresh_node(), tmp_path)


@pytest.fixture
def unindexed(fresh_node: Callable[..., RegtestNode], tmp_path: Path) -> Iterator[Place]:
    """On a node without a transaction index."""
    yield from placed(fresh_node(options=["-txindex=0"]), tmp_path)


def test_what_is_paid_to_an_address_of_any_kind_is_seen_confirmed_and_settled(place: Place) -> None:
    addresses = [place.address(kind) for kind in ("legacy", "p2sh-segwit", "bech32", "bech32m")]
    addresses += place.here.node.call("deriveaddresses", _checked(place, f"wsh(pk({KEY}))"))
    watched = {place.watch(address=one): one for one in addresses}
    paid = {watch_id: place.pay(address) for watch_id, address in watched.items()}
    assert place.look() == len(watched) == 5
    place.node.mine(1)
    place.look()
    place.node.mine(5)
    place.look()

    for watch_id, txid in paid.items():
        assert place.events(watch_id, txid) == ["seen", "confirmed", "settled"]
        told = place.head(watch_id, txid).data
        assert (told["tenant"], told["watch_id"], told["txid"]) == ("main", watch_id, txid)
        assert (told["net_sat"], told["addresses"]) == (50_000_000, [watched[watch_id]])
    assert place.look() == 0


def test_an_event_of_a_watch_comes_into_the_feed_of_its_tenant(place: Place) -> None:
    address = place.address()
    status, body, _ = place.here.call(watch, {"address": address}, caller=place.here.owner("other"))
    txid = place.pay(address)
    place.look()
    feed.relay(place.here.table, lambda: True)

    assert status == 201
    (one,) = feed.read(place.here.table, after=0)
    assert (one.tenant, one.topic) == ("other", "bitcoin.transaction.seen")
    assert one.aggregate == f"bitcoin/transaction/other/{body['watch_id']}/{txid}"


@pytest.mark.parametrize("form", ["pk({})", "multi(1,{})", "combo({})"])
def test_a_script_without_an_address_is_watched_by_its_descriptor(place: Place, form: str) -> None:
    descriptor = form.format(KEY)
    watch_id = place.watch(descriptor=descriptor)
    script = f"pk({KEY})" if "combo" in form else descriptor
    (block,) = place.node.rpc("generatetodescriptor", 1, _checked(place, script))
    place.look()

    txid = place.node.rpc("getblock", block)["tx"][0]
    assert place.events(watch_id, txid) == ["confirmed"]
    assert place.head(watch_id, txid).data["addresses"] == []


def test_every_path_and_address_of_a_ranged_descriptor_is_watched(place: Place) -> None:
    listed = place.till("listdescriptors")["descriptors"]
    (first,) = [one["desc"] for one in listed if one["desc"].startswith("wpkh(") and not one["internal"]]
    both = re.sub(r"(/\d+)h", r"\1'", first.partition("#")[0]).replace("/0/*", "/<0;1>/*")
    made = place.made(descriptor=both, range_end=20)
    assert (made["descriptor"], made["range_end"]) == (both, 20)
    paid = place.pay(place.address())
    moved = place.till("send", {OUTSIDE: "0.1"}, None, "unset", "2", {"change_type": "bech32"})["txid"]
    place.node.mine(1)
    place.look()

    fee_sat = -int(place.till("gettransaction", moved)["fee"] * 100_000_000)
    assert place.events(made["watch_id"], paid) == ["confirmed"]
    assert place.head(made["watch_id"], moved).data["net_sat"] == -10_000_000 - fee_sat


def test_what_spends_a_watched_coin_is_told_to_its_watch_and_to_no_other(place: Place) -> None:
    first, second, other = place.address(), place.address("bech32m"), place.address()
    one, two, three = (place.watch(address=address) for address in (first, second, other))
    txid = place.pay(first, "1.0")
    place.node.mine(1)
    place.look()
    spent = place.spend([(txid, place.output(txid, first))], [{second: "0.6"}, {OUTSIDE: "0.399"}])
    place.look()
    again = place.spend([(spent, 0)], [{OUTSIDE: "0.59"}])
    place.node.mine(1)
    place.look()

    assert (place.events(one, spent), place.events(two, spent)) == (["seen", "confirmed"], ["seen", "confirmed"])
    assert place.head(one, spent).data["net_sat"] == -100_000_000
    assert place.head(two, spent).data["net_sat"] == 60_000_000
    assert (place.events(one, again), place.events(two, again)) == ([], ["confirmed"])
    assert [place.events(three, each) for each in (txid, spent, again)] == [[], [], []]


def test_what_was_paid_and_spent_before_one_run_is_told(place: Place) -> None:
    address = place.address()
    watch_id = place.watch(address=address)
    txid = place.pay(address, "1.0")
    spent = place.spend([(txid, place.output(txid, address))], [{OUTSIDE: "0.99"}])
    place.look()

    assert (place.events(watch_id, txid), place.events(watch_id, spent)) == (["seen"], ["seen"])


def test_a_txid_of_no_wallet_is_followed_from_before_it_is_there(place: Place) -> None:
    txid = stranger(place.node, 2_000)
    place.node.rpc("generateblock", f"raw({ANYONE_CAN_SPEND})", [])
    elsewhere = "ab" * 32
    never, made = place.watch(txid=elsewhere), place.made(txid=txid)
    assert (made["state"], made["block_hash"]) == ("waiting", None)
    states = []
    for blocks in (0, 1, 4, 1):
        place.node.mine(blocks) if blocks else None
        place.look()
        states.append(place.listed()[made["watch_id"]]["state"])

    assert states == ["waiting", "confirmed", "confirmed", "settled"]
    assert place.events(made["watch_id"], txid) == ["seen", "confirmed", "settled"]
    assert place.listed()[never]["state"] == "unseen"
    assert place.events(never, elsewhere) == []


def test_a_txid_that_is_watched_before_it_is_sent_is_told_when_it_comes(unindexed: Place) -> None:
    place = unindexed
    known = stranger(place.node)
    txid = stranger(place.node, 5_000)
    first, second = place.watch(txid=txid), place.watch(txid=known)
    place.node.mine(3)
    place.look()

    assert place.events(first, txid) == ["seen", "confirmed"]
    assert place.events(second, known) == []
    assert place.listed()[first]["height"] == place.node.rpc("getblockcount") - 2


def test_a_txid_that_was_mined_before_is_found_by_the_index(place: Place) -> None:
    txid = stranger(place.node)
    (block,) = place.node.mine(1)
    while place.node.rpc("getindexinfo")["txindex"]["best_block_height"] < place.node.rpc("getblockcount"):
        continue
    made = place.made(txid=txid)
    assert (made["state"], made["block_hash"]) == ("confirmed", block)


def test_without_an_index_a_txid_that_was_mined_before_is_found_by_its_block(unindexed: Place) -> None:
    place = unindexed
    txid = stranger(place.node)
    first, *_ = place.node.mine(120)
    unknown = place.made(txid=txid)
    place.look()
    assert place.listed()[unknown["watch_id"]]["state"] == "unseen"
    assert place.here.call(unwatch, {"watch_id": unknown["watch_id"]})[0] == 200
    for wrong in ("00" * 32, place.node.rpc("getblockhash", 1)):
        status, body, _ = place.here.call(watch, {"txid": txid, "block_hash": wrong})
        assert (status, body["errors"][0]["pointer"]) == (422, "/block_hash")
    assert place.listed() == {}

    made = place.made(txid=txid, block_hash=first)
    assert (made["state"], made["block_hash"]) == ("confirmed", first)
    place.look()
    assert place.events(made["watch_id"], txid) == ["confirmed", "settled"]


def test_without_an_index_a_txid_that_was_just_mined_is_found_in_the_last_blocks(unindexed: Place) -> None:
    place = unindexed
    txid = stranger(place.node)
    place.node.mine(6)
    watch_id = place.watch(txid=txid)
    place.look()
    assert place.events(watch_id, txid) == ["confirmed", "settled"]


def test_without_an_index_a_txid_of_a_wallet_is_found_by_the_wallet(unindexed: Place) -> None:
    place = unindexed
    txid = place.pay(place.address())
    block, *_ = place.node.mine(20)
    assert place.made(txid=txid)["block_hash"] == block


def test_a_buried_txid_is_looked_for_no_more(place: Place) -> None:
    txid = stranger(place.node)
    watch_id = place.watch(txid=txid)
    place.node.mine(100)
    place.look()
    assert place.here.table.query("bitcoin/sought").rows
    place.node.mine(1)
    place.look()

    assert place.here.table.query("bitcoin/sought").rows == ()
    assert place.listed()[watch_id]["state"] == "settled"
    assert place.events(watch_id, txid) == ["seen", "confirmed", "settled"]


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 6])
def test_a_reorganisation_takes_back_what_its_blocks_said(place: Place, depth: int) -> None:
    address = place.address()
    txid, paid = stranger(place.node), place.pay(address)
    watched = {place.watch(txid=txid): txid, place.watch(address=address): paid}
    (first, *_) = place.node.mine(depth)
    place.look()
    before = {one: place.events(one, each) for one, each in watched.items()}
    assert {tuple(one[-1:]) for one in before.values()} == ({("confirmed",)} if depth < 6 else {("settled",)})

    place.node.rpc("invalidateblock", first)
    place.look()
    assert {place.head(one, each).state for one, each in watched.items()} == {"waiting"}
    place.node.mine(depth + 1, script_pubkey=OTHER)
    place.look()

    added = ["reorged", "seen", "confirmed"] + (["settled"] if depth + 1 >= 6 else [])
    for one, each in watched.items():
        assert place.events(one, each) == before[one] + added
        told = place.head(one, each).data
        assert told["left_block_hash"] == first != told["block_hash"]
    assert place.look() == 0


def test_a_follower_that_was_away_for_a_whole_reorganisation_catches_up(place: Place) -> None:
    txid = stranger(place.node)
    watch_id = place.watch(txid=txid)
    (first,) = place.node.mine(1)
    place.look()
    place.node.mine(8)
    place.node.rpc("invalidateblock", first)
    place.node.mine(20, script_pubkey=OTHER)
    place.look()

    assert place.events(watch_id, txid) == ["seen", "confirmed", "reorged", "confirmed", "settled"]


def test_one_that_was_away_for_more_blocks_than_a_run_looks_through_comes_to_the_end(unindexed: Place) -> None:
    place = unindexed
    waits, comes = stranger(place.node), "cd" * 32
    watched, unseen = place.watch(txid=waits), place.watch(txid=comes)
    place.look()
    place.node.rpc("generateblock", f"raw({ANYONE_CAN_SPEND})", [])
    for _ in range(2):
        place.node.rpc("generateblock", f"raw({OTHER})", [])
    nothing = place.node.rpc("getblockcount")
    while place.node.rpc("getblockcount") < nothing + 120:
        place.node.rpc("generateblock", f"raw({OTHER})", [])
    place.node.mine(1)
    place.look()
    assert place.events(watched, waits) == ["seen"]
    place.look()

    assert place.events(watched, waits) == ["seen", "confirmed"]
    assert place.listed()[unseen]["state"] == "unseen"


def test_what_was_replaced_is_dropped_and_what_replaced_it_is_followed(place: Place) -> None:
    first = stranger(place.node, 1_000)
    address = place.address()
    paid = place.pay(address)
    one, scripts = place.watch(txid=first), place.watch(address=address)
    place.look()
    second = stranger(place.node, 30_000)
    bumped = place.till("bumpfee", paid)["txid"]
    two = place.watch(txid=second)
    place.node.rpc("syncwithvalidationinterfacequeue")
    place.look()

    assert place.events(one, first) == ["seen", "dropped"]
    assert place.events(two, second) == ["seen"]
    assert (place.events(scripts, paid), place.events(scripts, bumped)) == (["seen", "dropped"], ["seen"])
    place.node.mine(1)
    place.look()
    assert (place.events(one, first), place.events(two, second)) == (["seen", "dropped"], ["seen", "confirmed"])
    assert place.events(scripts, paid) == ["seen", "dropped", "conflicted"]


@pytest.mark.parametrize(("kept", "added"), [("1", []), ("0", ["dropped"])])
def test_after_a_restart_what_waited_waits_unless_the_node_has_forgotten_it(
    fresh_node: Callable[..., RegtestNode], tmp_path: Path, kept: str, added: list[str]
) -> None:
    first = fresh_node()
    for place in placed(first, tmp_path):
        txid = stranger(place.node)
        watch_id = place.watch(txid=txid)
        place.look()
        first.stop()
        place.node = fresh_node(datadir=first.datadir, options=[f"-persistmempool={kept}"])
        with wiring.replaced({BitcoinNode: reached(place.node)}):
            place.look()
        assert place.events(watch_id, txid) == ["seen", *added]


def test_after_unwatch_nothing_is_told_and_watched_again_it_goes_on(place: Place) -> None:
    address = place.address()
    txid, paid = stranger(place.node), place.pay(address)
    wanted: list[dict[str, str]] = [{"txid": txid}, {"address": address}]
    watched = {place.watch(**one): each for one, each in zip(wanted, (txid, paid), strict=True)}
    place.look()
    for watch_id in watched:
        assert place.here.call(unwatch, {"watch_id": watch_id})[0] == 200
    place.node.mine(1)
    assert place.look() == 0
    assert place.listed() == {}

    assert {place.watch(**one) for one in wanted} == set(watched)
    place.look()
    place.node.mine(5)
    place.look()
    for watch_id, each in watched.items():
        assert place.events(watch_id, each) == ["seen", "confirmed", "settled"]


def test_what_happened_before_is_told_from_the_time_that_is_named(place: Place) -> None:
    address = place.address()
    paid = place.pay(address)
    place.node.mine(200)
    spent = place.spend([(paid, place.output(paid, address))], [{OUTSIDE: "0.49"}])
    place.node.mine(150)
    other = place.watch(address=place.address())
    place.look()
    watch_id = place.watch(address=address, since_s=0)
    place.look()

    assert [place.events(watch_id, each) for each in (paid, spent)] == [["confirmed", "settled"]] * 2
    assert place.events(other, paid) == []
    assert place.look() == 0


def test_many_watches_are_made_at_the_same_time(place: Place) -> None:
    addresses = [place.address() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda one: place.watch(address=one), addresses))
    assert place.listed().keys() == set(made)


def test_the_same_watch_again_changes_nothing_and_may_be_widened(place: Place) -> None:
    address = place.here.node.call("deriveaddresses", _checked(place, f"wpkh({KEY})"))[0]
    first = place.made(address=address, label="one")
    place.here.ms += 1
    assert place.made(address=address.upper(), label="two") == first
    assert place.made(descriptor=f"addr({address})") == first
    assert place.made(address=address, since_s=7)["since_s"] == 7
    assert place.made(address=address, since_s=9)["since_s"] == 7
    assert len(place.listed()) == 1


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"}, "/address"),
        ({"address": "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt081"}, "/address"),
        ({"address": "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"}, "/address"),
        ({"descriptor": "wpkh(cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA)"}, "/descriptor"),
        ({"descriptor": "wpkh(zz)"}, "/descriptor"),
        ({"descriptor": MAINNET}, "/descriptor"),
    ],
)
def test_what_cannot_be_watched_is_refused_and_nothing_is_changed(
    place: Place, wanted: dict[str, str], pointer: str
) -> None:
    status, body, _ = place.here.call(watch, wanted)

    assert (status, [one["pointer"] for one in body["errors"]]) == (422, [pointer])
    assert place.listed() == {}
    assert "isthmus.main._watches" not in place.node.rpc("listwallets")


def _checked(place: Place, descriptor: str) -> str:
    return str(place.here.node.call("getdescriptorinfo", descriptor)["descriptor"])
