"""Addresses of a wallet."""

from collections.abc import Iterator

import pytest

from functions.bitcoin.create_address import create_address
from tests.faults.calls import SmallWorld
from tests.faults.wallet_world import WalletNode, wallet_world


@pytest.fixture
def here() -> Iterator[SmallWorld]:
    with wallet_world() as made:
        yield made


def node_of(here: SmallWorld) -> WalletNode:
    assert isinstance(here.node, WalletNode)
    return here.node


@pytest.mark.parametrize(
    ("kind", "asked"),
    [("p2wpkh", "bech32"), ("p2tr", "bech32m"), ("p2sh-p2wpkh", "p2sh-segwit"), ("p2pkh", "legacy")],
)
def test_the_node_is_asked_for_the_kind_of_address_by_its_own_name(here: SmallWorld, kind: str, asked: str) -> None:
    status, body, _ = here.call(create_address, {"wallet": "till", "type": kind, "label": "rent"})

    assert (status, body["type"], body["label"]) == (201, kind, "rent")
    assert node_of(here).labels == [f"rent/{asked}"]


def test_each_request_gives_another_address(here: SmallWorld) -> None:
    first, second = (here.call(create_address, {"wallet": "till"})[1]["address"] for _ in range(2))
    assert first != second


def test_a_watching_wallet_without_descriptors_says_what_it_lacks(here: SmallWorld) -> None:
    node_of(here).wallets["isthmus.main.watch"] = True
    status, body, _ = here.call(create_address, {"wallet": "watch"})

    assert (status, body["type"]) == (409, "/problems/precondition/bitcoin/no-keys")


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"type": "p2wsh"}, "/type"),
        ({"label": "<script>"}, "/label"),
        ({"label": "*"}, "/label"),
        ({"label": "x" * 81}, "/label"),
        ({"label": 5}, "/label"),
        ({"purpose": "x"}, "/purpose"),
    ],
)
def test_what_is_wrong_is_named_and_no_address_is_used(
    here: SmallWorld, wrong: dict[str, object], pointer: str
) -> None:
    status, body, _ = here.call(create_address, {"wallet": "till"} | wrong)

    assert (status, body["errors"][0]["pointer"]) == (422, pointer)
    assert node_of(here).labels == []


def test_no_wallet_is_not_found(here: SmallWorld) -> None:
    assert here.call(create_address, {"wallet": "none"})[0] == 404
