"""What is watched, page by page."""

from collections.abc import Iterator

import pytest

from functions.bitcoin.list_watches import list_watches
from tests.faults.calls import ADDRESS
from tests.faults.chain_node import Watching, watching


@pytest.fixture
def here() -> Iterator[Watching]:
    with watching() as made:
        yield made


def test_each_is_shown_as_it_was_made(here: Watching) -> None:
    made = [here.made(address=ADDRESS, label="a"), here.made(descriptor="wpkh(tpub/*)"), here.made(txid="ab" * 32)]
    status, body, _ = here.call(list_watches, {})

    assert (status, body["next"]) == (200, None)
    assert body["watches"] == sorted(made, key=lambda one: str(one["watch_id"]))


def test_a_txid_is_shown_with_where_it_is(here: Watching) -> None:
    txid = here.node.send("one")
    here.watch(txid=txid)
    shown = []
    for change in (lambda: None, lambda: here.node.mine(1), lambda: here.node.mine(5), lambda: here.node.undo(6)):
        change()
        here.look()
        (one,) = here.call(list_watches, {})[1]["watches"]
        shown.append((one["state"], one["height"], one["block_hash"] is not None))

    assert shown == [
        ("waiting", None, False),
        ("confirmed", 110, True),
        ("settled", 110, True),
        ("waiting", None, False),
    ]


def test_pages_follow_each_other_until_the_end(here: Watching) -> None:
    made = {here.watch(txid=f"{number:064x}") for number in range(7)}
    found: list[str] = []
    query: dict[str, str | int] = {"limit": 3}
    while True:
        page = here.call(list_watches, query)[1]
        found += [one["watch_id"] for one in page["watches"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]

    assert found == sorted(made)


def test_a_tenant_sees_its_own_only(here: Watching) -> None:
    here.watch(address=ADDRESS)
    assert here.call(list_watches, {}, caller=here.owner("other"))[1]["watches"] == []
