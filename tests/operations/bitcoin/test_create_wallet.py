"""Wallets of tenants: made once, each tenant its own."""

from collections.abc import Iterator

import pytest

from functions.bitcoin.create_wallet import create_wallet
from isthmus.bitcoin.wallets import MAX_WALLETS
from tests.faults.calls import SmallWorld
from tests.faults.device_world import DeviceNode, device_world
from tests.faults.node import TILL
from tests.faults.wallet_world import WalletNode, wallet_world


@pytest.fixture
def here() -> Iterator[SmallWorld]:
    with wallet_world() as made:
        yield made


def node_of(here: SmallWorld) -> WalletNode:
    assert isinstance(here.node, WalletNode)
    return here.node


def test_a_wallet_is_made_under_its_tenants_name(here: SmallWorld) -> None:
    status, body, _ = here.call(create_wallet, {"name": "savings"}, caller=here.owner("other"))

    assert (status, body) == (201, {"name": "savings", "watch_only": False, "external_signer": False})
    assert node_of(here).wallets == {TILL: False, "isthmus.other.savings": False}


def test_the_same_request_again_finds_the_wallet_made(here: SmallWorld) -> None:
    first = here.call(create_wallet, {"name": "savings", "watch_only": True})
    assert here.call(create_wallet, {"name": "savings", "watch_only": True})[:2] == first[:2]


def test_a_wallet_of_the_other_kind_keeps_its_name(here: SmallWorld) -> None:
    status, body, _ = here.call(create_wallet, {"name": "till", "watch_only": True})

    assert (status, body["type"]) == (409, "/problems/conflict/bitcoin/wallet-exists")
    assert node_of(here).wallets == {TILL: False}


def test_a_wallet_that_the_node_has_not_loaded_is_found_too(here: SmallWorld) -> None:
    node_of(here).unloaded = {TILL}
    assert here.call(create_wallet, {"name": "till"})[0] == 201


def test_two_tenants_have_wallets_of_one_name(here: SmallWorld) -> None:
    assert here.call(create_wallet, {"name": "till", "watch_only": True}, caller=here.owner("other"))[0] == 201
    assert node_of(here).wallets[TILL] is False


def test_a_tenant_has_so_many_wallets_and_no_more(here: SmallWorld) -> None:
    node_of(here).wallets |= {f"isthmus.main.w{number}": False for number in range(MAX_WALLETS - 1)}

    assert here.call(create_wallet, {"name": "more"})[1]["type"] == "/problems/limit/bitcoin/too-many-wallets"
    assert here.call(create_wallet, {"name": "w1"})[0] == 201
    assert here.call(create_wallet, {"name": "more"}, caller=here.owner("other"))[0] == 201


@pytest.mark.parametrize("name", ["", "Till", "../till", "a.b", "a" * 41, "-a", "till\n", "ä"])
def test_a_name_that_could_be_anothers_wallet_or_a_path_is_refused(here: SmallWorld, name: str) -> None:
    status, body, _ = here.call(create_wallet, {"name": name})

    assert (status, body["errors"][0]["pointer"]) == (422, "/name")
    assert node_of(here).wallets == {TILL: False}


def test_an_unreachable_node_is_unavailable_and_the_request_may_be_repeated(here: SmallWorld) -> None:
    node_of(here).unreachable = True
    status, body, _ = here.call(create_wallet, {"name": "savings"})
    assert (status, body["repeat"]) == (503, "same-key")


HARDWARE = {"name": "hardware", "external_signer": True}
MADE = {"name": "hardware", "watch_only": True, "external_signer": True}


@pytest.fixture
def desk() -> Iterator[tuple[SmallWorld, DeviceNode]]:
    """A node with a signing device."""
    with device_world() as made:
        yield made


def test_a_wallet_on_the_signing_device_watches_only_and_is_made_once(desk: tuple[SmallWorld, DeviceNode]) -> None:
    here, node = desk
    assert here.call(create_wallet, HARDWARE)[:2] == (201, MADE)
    node.signers = 0

    assert here.call(create_wallet, HARDWARE | {"watch_only": True})[:2] == (201, MADE)
    assert len(node.imported) == 1


@pytest.mark.parametrize(
    ("signers", "code"),
    [(0, "no-signer"), (2, "several-signers"), (None, "no-signer-command")],
)
def test_without_just_one_device_no_wallet_is_begun(
    desk: tuple[SmallWorld, DeviceNode], signers: int | None, code: str
) -> None:
    here, node = desk
    node.signers = signers
    status, body, _ = here.call(create_wallet, HARDWARE)

    assert (status, body["type"], body["repeat"]) == (409, f"/problems/precondition/bitcoin/{code}", "later")
    assert set(node.wallets) == {TILL}


@pytest.mark.parametrize("step", ["enumeratesigners", "createwallet"])
def test_a_device_that_is_slow_to_give_its_keys_is_asked_again_later(
    desk: tuple[SmallWorld, DeviceNode], step: str
) -> None:
    here, node = desk
    node.silent = {step}
    assert here.call(create_wallet, HARDWARE)[1]["type"] == "/problems/precondition/bitcoin/signer-silent"
    node.silent = set()

    assert here.call(create_wallet, HARDWARE)[:2] == (201, MADE)


def test_what_is_left_of_a_wallet_without_keys_is_no_wallet(desk: tuple[SmallWorld, DeviceNode]) -> None:
    here, node = desk
    node.fails = -1
    answers = [here.call(create_wallet, HARDWARE)[:2] for _ in range(2)]

    assert [(status, body["type"]) for status, body in answers] == [
        (409, "/problems/conflict/bitcoin/wallet-without-keys")
    ] * 2


@pytest.mark.parametrize("other", [{"watch_only": True}, {}])
def test_a_wallet_with_and_one_without_the_device_are_of_different_kinds(
    desk: tuple[SmallWorld, DeviceNode], other: dict[str, bool]
) -> None:
    here, _ = desk
    here.call(create_wallet, HARDWARE)
    status, body, _ = here.call(create_wallet, {"name": "hardware"} | other)

    assert (status, body["type"]) == (409, "/problems/conflict/bitcoin/wallet-exists")


def test_the_device_is_the_main_tenants(desk: tuple[SmallWorld, DeviceNode]) -> None:
    here, node = desk

    assert here.call(create_wallet, HARDWARE, caller=here.owner("other"))[0] == 403
    assert here.call(create_wallet, {"name": "watch", "watch_only": True}, caller=here.owner("other"))[0] == 201
    assert node.on_device == {TILL}
