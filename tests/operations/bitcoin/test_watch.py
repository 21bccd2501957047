"""What a watch is made of, what cannot be watched, and what the same watch again does."""

from collections.abc import Iterator
from typing import Any

import pytest

from functions.bitcoin.list_watches import list_watches
from functions.bitcoin.unwatch import unwatch
from functions.bitcoin.watch import watch
from isthmus import feed
from isthmus.bitcoin import codes, watches
from isthmus.bitcoin.descriptors import MAX_DESCRIPTORS
from isthmus.bitcoin.wallets import MAX_WALLETS
from isthmus.recovery import heard
from tests.faults.calls import ADDRESS
from tests.faults.chain_node import Watching, watching

TXID = "ab" * 32
WALLET = "isthmus.main._watches"


@pytest.fixture
def here() -> Iterator[Watching]:
    with watching() as made:
        yield made


def refused(here: Watching, **wanted: Any) -> tuple[int, str, list[str]]:
    status, body, _ = here.call(watch, wanted)
    return status, body["type"], [one["pointer"] for one in body.get("errors", [])]


def test_an_address_is_watched_through_a_wallet_without_keys(here: Watching) -> None:
    made = here.made(address=ADDRESS, label="shop 7")

    assert made == {
        "watch_id": made["watch_id"],
        "kind": "address",
        "address": ADDRESS,
        "descriptor": None,
        "txid": None,
        "range_end": None,
        "since_s": None,
        "label": "shop 7",
        "created_ms": here.ms,
        "created_by": here.owner().id,
        "state": None,
        "block_hash": None,
        "height": None,
    }
    assert here.node.imports == [[{"desc": f"addr({ADDRESS})#checksum", "timestamp": "now", "internal": False}]]
    assert here.node.wallets.keys() == {WALLET}


def test_a_ranged_descriptor_is_watched_up_to_its_end(here: Watching) -> None:
    first, second = here.made(descriptor="wpkh(tpubA/*)"), here.made(descriptor="wpkh(tpubB/*)", range_end=7)

    assert [first["range_end"], second["range_end"]] == [1000, 7]
    assert [one["range"] for each in here.node.imports for one in each] == [[0, 1000], [0, 7]]


def test_a_txid_that_the_node_knows_nothing_of_is_unseen(here: Watching) -> None:
    made = here.made(txid=TXID)
    assert (made["kind"], made["txid"], made["state"]) == ("txid", TXID, "unseen")
    assert here.node.wallets == {}


def test_a_txid_that_waits_is_told_at_once(here: Watching) -> None:
    txid = here.node.send("one")
    made = here.made(txid=txid)

    assert made["state"] == "waiting"
    assert here.events(made["watch_id"], txid) == ["seen"]
    feed.relay(here.table, lambda: True)
    (one,) = feed.read(here.table, after=0)
    assert (one.tenant, one.topic) == ("main", "bitcoin.transaction.seen")


@pytest.mark.parametrize("indexed", [True, False])
def test_a_txid_that_is_mined_already_is_found_by_the_index_or_by_its_block(here: Watching, indexed: bool) -> None:  # noqa: FBT001 - two cases
    txid, here.node.indexed = here.node.send("one"), indexed
    block = here.node.mine(30)
    made = here.made(txid=txid, **({} if indexed else {"block_hash": block}))

    assert (made["state"], made["block_hash"], made["height"]) == ("confirmed", block, 110)
    assert here.look() == 1
    assert here.events(made["watch_id"], txid) == ["confirmed", "settled"]


@pytest.mark.parametrize("place", [0, -1])
def test_a_block_that_has_not_the_transaction_is_refused(here: Watching, place: int) -> None:
    block = here.node.active[place] if place else "0" * 64
    assert refused(here, txid=TXID, block_hash=block) == (
        422,
        "/problems/invalid/bitcoin/not-in-block",
        ["/block_hash"],
    )
    assert here.table.items == {}


@pytest.mark.parametrize(
    ("wanted", "pointers"),
    [
        ({}, ["/address", "/descriptor", "/txid"]),
        ({"address": ADDRESS, "txid": TXID}, ["/address", "/descriptor", "/txid"]),
        ({"txid": TXID, "since_s": 5, "range_end": 5}, ["/range_end", "/since_s"]),
        ({"address": ADDRESS, "range_end": 5}, ["/range_end"]),
        ({"descriptor": "raw(51)", "range_end": 5}, ["/range_end"]),
        ({"address": ADDRESS, "block_hash": TXID}, ["/block_hash"]),
        ({"address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"}, ["/address"]),
        ({"address": ADDRESS[:-1] + "1"}, ["/address"]),
        ({"descriptor": "wpkh(tprv/*)"}, ["/descriptor"]),
        ({"descriptor": "nonsense"}, ["/descriptor"]),
        ({"txid": TXID.upper()}, ["/txid"]),
        ({"address": ADDRESS, "label": "<b>"}, ["/label"]),
        ({"address": ADDRESS, "since_s": -1}, ["/since_s"]),
    ],
)
def test_what_cannot_be_watched_is_named_and_changes_nothing(
    here: Watching, wanted: dict[str, Any], pointers: list[str]
) -> None:
    status, _, named = refused(here, **wanted)

    assert (status, named) == (422, pointers)
    assert (here.node.wallets, here.table.items) == ({}, {})


def test_a_private_key_is_not_shown_again(here: Watching) -> None:
    assert "tprv" not in str(here.call(watch, {"descriptor": "wpkh(tprv/*)"}))


def test_what_the_wallet_refuses_is_not_watched(here: Watching) -> None:
    assert refused(here, descriptor="wpkh(refused/*)")[2] == ["/descriptor"]
    assert here.call(list_watches, {})[1]["watches"] == []


def test_the_same_watch_again_is_the_same_and_changes_nothing(here: Watching) -> None:
    first = here.made(address=ADDRESS, label="one")
    here.ms += 5
    before = dict(here.table.items)

    assert here.made(address=ADDRESS.upper(), label="two") == first
    assert here.made(descriptor=f"addr({ADDRESS})") == first
    assert here.table.items == before
    assert len(here.node.imports) == 1
    assert here.made(here.owner("other"), address=ADDRESS)["watch_id"] != first["watch_id"]


def test_the_same_watch_is_widened_and_goes_further_back_but_never_less(here: Watching) -> None:
    here.made(descriptor="wpkh(tpub/*)", range_end=50, since_s=9_000)
    assert here.made(descriptor="wpkh(tpub/*)", range_end=80)["range_end"] == 80
    last = here.made(descriptor="wpkh(tpub/*)", range_end=60, since_s=0)

    assert (last["range_end"], last["since_s"]) == (80, 0)
    asked = [(one["range"][1], one["timestamp"]) for each in here.node.imports for one in each]
    assert asked == [(50, 9_000), (80, 9_000), (80, 0)]


def test_a_tenant_has_so_many_watches_and_no_more(here: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "MAX_WATCHES", 3)
    made = [here.watch(txid=f"{number:064x}") for number in range(3)]

    assert refused(here, txid=TXID)[:2] == (429, "/problems/limit/bitcoin/too-many-watches")
    assert here.made(txid=f"{1:064x}")["watch_id"] == made[1]
    assert here.made(here.owner("other"), txid=TXID)["state"] == "unseen"
    assert here.call(unwatch, {"watch_id": made[0]})[0] == 200
    assert here.watch(txid=TXID)


def test_wallets_and_watches_do_not_take_room_from_each_other(here: Watching) -> None:
    here.node.wallets = {f"isthmus.main.w{number}": {} for number in range(MAX_WALLETS)}
    assert here.watch(address=ADDRESS)


def test_the_wallet_has_so_many_descriptors_and_no_more(here: Watching) -> None:
    here.node.wallets[WALLET] = {f"raw({number:06x})": {} for number in range(MAX_DESCRIPTORS)}
    assert refused(here, address=ADDRESS)[:2] == (429, "/problems/limit/bitcoin/too-many-descriptors")


def test_another_import_that_is_short_is_waited_for(here: Watching) -> None:
    here.node.busy = 2
    assert here.watch(address=ADDRESS)


def test_one_that_takes_long_is_not(here: Watching) -> None:
    here.node.busy, here.node.scanning = 1, 600
    assert refused(here, address=ADDRESS)[:2] == (503, "/problems/unavailable/bitcoin/rescanning")


def test_a_wallet_that_looks_through_the_chain_is_no_outage_of_the_node(here: Watching) -> None:
    here.node.busy, here.node.scanning = 1, 600
    _, body, _ = here.call(watch, {"address": ADDRESS})
    failure = codes.of_rpc("importdescriptors", -4)

    assert body["type"].endswith(failure.code)
    assert heard(failure, "bitcoin") == "answer"


def test_what_takes_longer_than_the_request_goes_on_and_the_same_request_says_when_it_is_done(here: Watching) -> None:
    wanted = {"address": ADDRESS, "since_s": 5}
    here.node.slow, here.node.scanning = 1, 20
    for _ in range(2):
        assert refused(here, **wanted)[:2] == (503, "/problems/unavailable/bitcoin/rescanning")
        here.ms += 60_000
    assert here.call(list_watches, {})[1]["watches"] == []
    here.node.scanning = 0

    assert here.made(**wanted)["since_s"] == 5
    assert len(here.node.imports) == 1


def test_a_node_that_was_started_anew_looks_again(here: Watching) -> None:
    wanted = {"address": ADDRESS, "since_s": 5}
    here.node.slow = 1
    assert refused(here, **wanted)[0] == 503
    here.ms, here.node.up_s = here.ms + 60_000, 30

    assert here.made(**wanted)["since_s"] == 5
    assert len(here.node.imports) == 2


def test_what_happened_since_a_time_is_told_by_the_next_run(here: Watching) -> None:
    here.watch(descriptor="raw(51)")
    txid = here.node.send("one", pays=[(ADDRESS, 500)])
    here.node.mine(400)
    here.look()
    watch_id = here.watch(address=ADDRESS, since_s=110 * 600)
    here.look()

    assert here.events(watch_id, txid) == ["confirmed", "settled"]
    assert here.look() == 0
