"""What a watch-only wallet is told to see."""

from collections.abc import Iterator
from typing import Any

import pytest

from functions.bitcoin.import_descriptors import import_descriptors
from tests.faults.calls import SmallWorld
from tests.faults.wallet_world import WalletNode, wallet_world

RANGED = "wpkh(tpub/0/*)"


@pytest.fixture
def here() -> Iterator[SmallWorld]:
    with wallet_world() as made:
        node_of(made).wallets["isthmus.main.watch"] = True
        yield made


def node_of(here: SmallWorld) -> WalletNode:
    assert isinstance(here.node, WalletNode)
    return here.node


def imported(here: SmallWorld, *descriptors: Any, wallet: str = "watch") -> tuple[int, dict[str, Any]]:
    return here.call(import_descriptors, {"wallet": wallet, "descriptors": list(descriptors)})[:2]


def test_a_descriptor_is_imported_with_the_nodes_checksum(here: SmallWorld) -> None:
    wanted = {"descriptor": RANGED, "active": True, "range_end": 50}

    assert imported(here, wanted) == (200, {"wallet": "watch", "imported": 1})
    assert node_of(here).imported == [
        {"desc": RANGED + "#checksum", "timestamp": "now", "range": [0, 50], "active": True, "internal": False}
    ]


def test_what_was_used_before_is_looked_for_from_then_on(here: SmallWorld) -> None:
    imported(here, {"descriptor": "wpkh(tpub)", "since_s": 1_700_000_000})
    assert node_of(here).imported == [{"desc": "wpkh(tpub)#checksum", "timestamp": 1_700_000_000, "internal": False}]


@pytest.mark.parametrize(
    ("since_s", "status"), [(None, 200), (1_700_000_000, 409), (1_700_007_199, 409), (1_700_007_200, 200)]
)
def test_a_pruned_node_takes_only_what_was_used_since_its_oldest_block(
    here: SmallWorld, since_s: int | None, status: int
) -> None:
    node_of(here).pruned_until_s = 1_700_000_000
    answer = imported(here, {"descriptor": RANGED}, {"descriptor": "wpkh(tpub)", "since_s": since_s})

    assert answer[0] == status
    if status != 200:
        assert [error["pointer"] for error in answer[1]["errors"]] == ["/descriptors/1/since_s"]
        assert node_of(here).imported == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"descriptor": "wpkh(tprv/0/*)"},
        {"descriptor": "nonsense"},
        {"descriptor": "wpkh(tpub)", "active": True},
    ],
)
def test_one_that_cannot_be_used_is_named_and_nothing_is_imported(here: SmallWorld, wrong: dict[str, Any]) -> None:
    status, body = imported(here, {"descriptor": RANGED}, wrong)

    assert (status, body["errors"][0]["pointer"]) == (422, "/descriptors/1/descriptor")
    assert node_of(here).imported == []


def test_private_keys_are_not_shown_again(here: SmallWorld) -> None:
    assert "tprv" not in str(imported(here, {"descriptor": "wpkh(tprv/0/*)"}))


def test_a_wallet_with_keys_takes_none(here: SmallWorld) -> None:
    status, body = imported(here, {"descriptor": RANGED}, wallet="till")

    assert (status, body["type"]) == (409, "/problems/precondition/bitcoin/wallet-has-keys")
    assert node_of(here).imported == []


def test_no_wallet_is_not_found(here: SmallWorld) -> None:
    assert imported(here, {"descriptor": RANGED}, wallet="none")[0] == 404
