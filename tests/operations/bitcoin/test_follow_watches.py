"""The schedule that follows what is watched: one event for each thing that happens to it, none twice, none false."""

from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import pytest

from functions.bitcoin.follow_wallets import follow_wallets
from functions.bitcoin.follow_watches import follow_watches
from functions.bitcoin.unwatch import unwatch
from functions.bitcoin.watch import watch
from infra.template import sam
from isthmus import feed, journal
from isthmus.bitcoin import mempool, watched_txids
from isthmus.failure import Unavailable
from tests.faults.calls import ADDRESS
from tests.faults.chain_node import Watching, watching

WALLET = "isthmus.main._watches"
SCHEDULED = {"source": "aws.scheduler", "resources": ["r"], "detail": {}}


@pytest.fixture
def here() -> Iterator[Watching]:
    with watching() as made:
        yield made


def answer(here: Watching) -> dict[str, Any]:
    here.ms += 60_000
    found: dict[str, Any] = follow_watches(SCHEDULED, None)
    return found


def test_what_pays_an_address_is_told_with_what_it_pays(here: Watching) -> None:
    watch_id = here.watch(address=ADDRESS)
    txid = here.node.send("one", pays=[("51", 7), (ADDRESS, 500), (ADDRESS, 50)])

    assert answer(here) == {"tenants": 1, "events": 1}
    head = journal.load(here.table, f"bitcoin/transaction/main/{watch_id}/{txid}")
    assert head is not None
    script = "0014751e76e8199196d454941c45d1b3a323f1433bd6"
    told = {"tenant": "main", "watch_id": watch_id, "txid": txid, "net_sat": 550, "addresses": [script]}
    assert (head.state, head.data) == ("waiting", told)
    assert answer(here)["events"] == 0


def test_every_step_of_a_transaction_is_told(here: Watching) -> None:
    txid = here.node.send("one", pays=[(ADDRESS, 500)])
    watched = [here.watch(address=ADDRESS), here.watch(txid=txid)]
    for blocks in (0, 1, 4, 1, 94, 1):
        here.node.mine(blocks)
        here.look()

    assert [here.events(one, txid) for one in watched] == [["seen", "confirmed", "settled"]] * 2


def test_a_reorganisation_is_told_with_the_block_that_left(here: Watching) -> None:
    txid = here.node.send("one", pays=[(ADDRESS, 500)])
    watched = [here.watch(address=ADDRESS), here.watch(txid=txid)]
    first = here.node.mine(3)
    here.look()
    here.node.undo(3)
    second = here.node.mine(4)
    here.look()

    for one in watched:
        history = here.history(one, txid)
        assert [each.type for each in history][-3:] == ["confirmed", "reorged", "confirmed"]
        assert (history[-2].data["left_block_hash"], history[-1].data["block_hash"]) == (first, second)


def test_what_is_undone_by_a_double_spend_is_taken_back(here: Watching) -> None:
    txid = here.node.send("one", pays=[(ADDRESS, 500)], spends=[("f" * 64, 9)])
    watched = [here.watch(address=ADDRESS), here.watch(txid=txid)]
    here.node.mine(1)
    here.look()
    here.node.undo(1)
    here.node.send("two", spends=[("f" * 64, 9)])
    here.node.mine(1)
    here.look()

    assert here.events(watched[0], txid)[-2:] == ["reorged", "conflicted"]
    assert here.events(watched[1], txid)[-2:] == ["reorged", "dropped"]
    here.node.mine(101)
    assert here.look() == 0
    assert not here.table.query(f"bitcoin/live/{WALLET}").rows


def test_what_is_replaced_is_dropped_and_comes_back(here: Watching) -> None:
    spends = [("f" * 64, 9)]
    txid = here.node.send("one", pays=[(ADDRESS, 500)], spends=spends)
    watched = [here.watch(address=ADDRESS), here.watch(txid=txid)]
    here.look()
    here.node.send("two", spends=spends)
    here.look()
    here.node.send("one", pays=[(ADDRESS, 500)], spends=spends)
    here.look()

    assert [here.events(one, txid) for one in watched] == [["seen", "dropped", "seen"]] * 2


def test_what_a_node_does_not_know_yet_after_its_start_is_not_dropped(here: Watching) -> None:
    txid = here.node.send("one", pays=[(ADDRESS, 500)])
    watched = [here.watch(address=ADDRESS), here.watch(txid=txid)]
    here.look()
    here.node.loaded = False
    assert here.look() == 0
    here.node.loaded = True
    assert here.look() == 0
    assert [here.events(one, txid) for one in watched] == [["seen"]] * 2


def test_what_spends_a_coin_is_told_to_the_watch_of_the_coin(here: Watching) -> None:
    one, two = here.watch(address=ADDRESS), here.watch(descriptor="raw(51)")
    paid = here.node.send("one", pays=[(ADDRESS, 500), ("51", 5)])
    here.node.mine(300)
    here.look()
    spent = here.node.send("two", pays=[("51", 400)], spends=[(paid, 0)])
    here.look()

    assert (here.events(one, spent), here.events(two, spent)) == (["seen"], ["seen"])
    nets = [here.history(each, spent)[0].data["net_sat"] for each in (one, two)]
    assert nets == [-500, 400]


def test_each_watch_of_the_same_script_is_told(here: Watching) -> None:
    txid = here.node.send("one", pays=[("tpub/7", 500)])
    watched = [here.watch(descriptor="wpkh(tpub/*)"), here.watch(descriptor="wpkh(tpub/7)"), here.watch(txid=txid)]
    here.look()
    late = here.watch(descriptor="raw(tpub/7)")
    here.node.mine(1)
    here.look()

    assert [here.events(one, txid) for one in watched] == [["seen", "confirmed"]] * 3
    assert here.events(late, txid) == ["confirmed"]


def test_what_nobody_watches_is_not_told(here: Watching) -> None:
    here.watch(address=ADDRESS)
    here.node.send("one", pays=[("51", 500)])
    here.node.mine(1)
    assert answer(here) == {"tenants": 1, "events": 0}


def test_tenants_are_told_of_their_own(here: Watching) -> None:
    txid = here.node.send("one", pays=[(ADDRESS, 500)])
    here.watch(address=ADDRESS)
    theirs = here.made(here.owner("other"), address=ADDRESS)["watch_id"]
    here.made(here.owner("other"), txid=txid)
    assert answer(here) == {"tenants": 2, "events": 2}

    assert here.events(theirs, txid, "other") == ["seen"]
    feed.relay(here.table, lambda: True)
    assert sorted(one.tenant for one in feed.read(here.table, after=0)) == ["main", "other", "other"]


def test_one_tenants_trouble_is_not_anothers(here: Watching) -> None:
    txid = here.node.send("one", pays=[(ADDRESS, 500)])
    here.watch(address=ADDRESS)
    theirs = here.made(here.owner("other"), address=ADDRESS)["watch_id"]
    here.node.wallets[WALLET] = {"addr(broken": {}, **here.node.wallets[WALLET]}
    whole = here.node.listsinceblock

    def broken(wallet: str, *rest: Any) -> Any:
        return {"nonsense": True} if wallet == WALLET else whole(wallet, *rest)

    here.node.listsinceblock = broken  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        answer(here)
    assert here.events(theirs, txid, "other") == ["seen"]


def test_each_minute_another_tenant_is_the_first_one(here: Watching) -> None:
    for tenant in ("a", "b", "c"):
        here.made(here.owner(tenant), address=ADDRESS)
    asked: list[str] = []
    whole = here.node.listsinceblock

    def noted(wallet: str, *rest: Any) -> Any:
        asked.append(wallet.split(".")[1])
        return whole(wallet, *rest)

    here.node.listsinceblock = noted  # type: ignore[method-assign]
    for _ in range(3):
        answer(here)
    assert sorted(asked[::3]) == sorted(asked[:3]) == ["a", "b", "c"]


def test_the_wallet_behind_watches_is_not_followed_as_a_wallet(here: Watching) -> None:
    here.watch(address=ADDRESS)
    here.node.send("one", pays=[(ADDRESS, 500)])
    assert follow_wallets(SCHEDULED, None) == {"wallets": 0, "events": 0}


def test_blocks_that_a_run_has_no_time_for_are_looked_through_by_the_next(
    here: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_txids, "MAX_BLOCKS", 5)
    one, two = here.node.send("one"), here.node.send("two")
    watched = [here.watch(txid=one), here.watch(txid=two)]
    here.node.mempool.remove(two)
    here.node.mine(14)
    here.node.mempool.append(two)
    here.node.mine(4)
    told = []
    for _ in range(6):
        here.look()
        told.append((here.events(watched[0], one)[-1], here.events(watched[1], two)[-1]))

    assert told[0] == ("seen", "seen")
    assert told[-1] == ("settled", "confirmed")
    assert "dropped" not in {event for each in told for event in each}


def test_blocks_that_the_node_has_pruned_are_passed_over(here: Watching) -> None:
    txid = here.node.send("one")
    watch_id = here.watch(txid=txid)
    here.node.mine(50)
    here.node.pruned = 150
    other = here.node.send("two")
    watched = here.watch(txid=other)
    here.node.mine(1)
    here.look()

    assert here.events(watched, other) == ["seen", "confirmed"]
    assert here.events(watch_id, txid) == ["seen", "dropped"]


def test_what_is_buried_costs_no_question_any_more(here: Watching) -> None:
    watched = {here.watch(txid=txid): txid for txid in (here.node.send(f"{number}") for number in range(30))}
    here.node.mine(101)
    here.look()
    here.world.calm = False
    here.look()

    assert {tuple(here.events(one, txid)) for one, txid in watched.items()} == {("seen", "confirmed", "settled")}
    assert [name for name, _ in here.world.calls if not name.startswith(("get ", "query ", "transact"))] == [
        "listwalletdir"
    ]


def test_many_that_wait_for_nothing_are_looked_for_in_one_question(
    here: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mempool, "MAX_ASKED", 3)
    unseen = [here.watch(txid=f"{number:064x}") for number in range(5)]
    txid = here.node.send("one")
    watch_id = here.watch(txid=txid)
    here.node.mempool.clear()
    here.look()
    here.world.calm = False
    here.look()

    asked = [name for name, _ in here.world.calls]
    assert (asked.count("getrawmempool"), asked.count("getmempoolentry")) == (1, 0)
    assert here.events(watch_id, txid) == ["seen", "dropped"]
    assert {tuple(here.events(one, f"{number:064x}")) for number, one in enumerate(unseen)} == {()}


def test_a_run_without_time_goes_on_where_it_was(here: Watching) -> None:
    txids = [here.node.send(f"{number}", pays=[(ADDRESS, 500)]) for number in range(6)]
    watch_id = here.watch(address=ADDRESS)
    clock = iter(range(10**6))
    here.now_ms = lambda: here.ms + next(clock) * 6_000  # type: ignore[method-assign]
    runs = [answer(here)["events"] for _ in range(8)]

    assert max(runs) < 6
    assert [here.events(watch_id, one) for one in txids] == [["seen"]] * 6


def test_deployed_functions_may_write_what_watching_writes(here: Watching) -> None:
    txid = here.node.send("one", pays=[(ADDRESS, 500)])
    gone = here.watch(txid=txid)
    here.watch(address=ADDRESS, since_s=0)
    here.look()
    here.node.mine(1)
    here.look()
    here.call(unwatch, {"watch_id": gone})
    follow_wallets(SCHEDULED, None)

    partitions = {pk for pk, _ in here.table.items}
    assert len(partitions) > 6
    for operation in (watch, unwatch, follow_watches, follow_wallets):
        (policy,) = (one for one in sam._policies(operation) if one.port == "Table")
        assert [pk for pk in partitions if not any(fnmatch(pk, each) for each in policy.partitions)] == []
