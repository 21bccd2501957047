"""A watch that is taken back: nothing is told any more, and watched again it goes on."""

from collections.abc import Iterator

import pytest

from functions.bitcoin.list_watches import list_watches
from functions.bitcoin.unwatch import unwatch
from tests.faults.calls import ADDRESS
from tests.faults.chain_node import Watching, watching


@pytest.fixture
def here() -> Iterator[Watching]:
    with watching() as made:
        yield made


def test_after_it_nothing_is_told(here: Watching) -> None:
    txid = here.node.send("one", pays=[(ADDRESS, 500)])
    by_address, by_txid = here.watch(address=ADDRESS), here.watch(txid=txid)
    here.look()
    gone = [here.call(unwatch, {"watch_id": one}) for one in (by_address, by_txid)]
    here.node.mine(1)

    assert [(status, body["watch_id"]) for status, body, _ in gone] == [(200, by_address), (200, by_txid)]
    assert gone[1][1]["state"] == "waiting"
    assert here.look() == 0
    assert here.call(list_watches, {})[1] == {"watches": [], "next": None}
    assert not here.table.query("bitcoin/sought").rows


def test_watched_again_it_is_told_what_has_become_of_what_it_was_told_of(here: Watching) -> None:
    txid = here.node.send("one", pays=[(ADDRESS, 500)])
    watched = [here.watch(address=ADDRESS), here.watch(txid=txid)]
    here.look()
    for one in watched:
        here.call(unwatch, {"watch_id": one})
    here.node.mine(1)
    here.look()

    assert [here.watch(address=ADDRESS), here.watch(txid=txid)] == watched
    here.look()
    assert [here.events(one, txid) for one in watched] == [["seen", "confirmed"]] * 2


def test_of_two_watches_that_see_the_same_one_is_taken_back(here: Watching) -> None:
    txid = here.node.send("one", pays=[(ADDRESS, 500)])
    kept, gone = here.watch(txid=txid), here.watch(address=ADDRESS)
    here.look()
    here.call(unwatch, {"watch_id": gone})
    here.node.mine(1)
    here.look()

    assert (here.events(kept, txid), here.events(gone, txid)) == (["seen", "confirmed"], ["seen"])


def test_another_tenants_watch_is_answered_like_none(here: Watching) -> None:
    watch_id, other = here.watch(address=ADDRESS), here.owner("other")
    theirs = here.call(unwatch, {"watch_id": watch_id}, caller=other)
    nobodys = here.call(unwatch, {"watch_id": "watch_" + "0" * 32}, caller=other)

    assert (theirs[0], theirs[1]["type"]) == (404, "/problems/not-found/bitcoin/no-watch")
    assert theirs[1] == nobodys[1]
    assert here.call(unwatch, {"watch_id": watch_id})[0] == 200
    assert here.call(unwatch, {"watch_id": watch_id})[0] == 404


def test_an_id_of_another_form_is_refused(here: Watching) -> None:
    assert here.call(unwatch, {"watch_id": "till"})[0] == 422
