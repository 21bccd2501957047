"""Wallets whose keys are in a signing device that a real node asks; the device has the keys of the Bitcoin Dev Kit."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from functions.bitcoin.build_transaction import build_transaction
from functions.bitcoin.bump_fee import bump_fee
from functions.bitcoin.create_address import create_address
from functions.bitcoin.create_wallet import create_wallet
from functions.bitcoin.get_balance import get_balance
from functions.bitcoin.reconcile_wallet import reconcile_wallet
from functions.bitcoin.send_payment import send_payment
from functions.bitcoin.sign_transaction import sign_transaction
from infra.local.bitcoind import RegtestNode
from isthmus import wiring
from isthmus.ports import Table
from isthmus.storage.adapters.sqlite import SqliteTable
from tests.adapters.bitcoin.wallets_on import fund, reached
from tests.faults.calls import ADDRESS, SmallWorld
from tests.faults.wallet_world import real_world

signers = pytest.importorskip("tests.adapters.bitcoin.signers", reason="there is no Bitcoin Dev Kit for this machine")

pytestmark = pytest.mark.node

SCRIPT = Path(__file__).with_name("signing_device.py")
DESK = {"name": "desk", "external_signer": True}
WANTED: dict[str, Any] = {
    "wallet": "desk",
    "recipients": [{"address": ADDRESS, "amount_sat": 50_000}],
    "max_fee_sat": 10_000,
    "feerate_sat_per_kvb": 2_000,
}


@dataclass
class Device:
    """A folder that says how the device feels."""

    folder: Path

    def feels(self, mood: str) -> None:
        (self.folder / "mood").write_text(mood)

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().split()

    def press_button(self) -> None:
        """Have the slow device sign; this waits until it is ready to."""
        (self.folder / "button").write_text("yes")


@dataclass
class Impatient:
    """The node, where nobody waits longer than so many seconds for a signature."""

    node: Any
    patience_s: float = 20.0

    def call(self, method: str, *params: Any, deadline_s: float = 20.0, wallet: str = "") -> Any:
        patience_s = self.patience_s if method == "walletprocesspsbt" else deadline_s
        return self.node.call(method, *params, deadline_s=min(patience_s, deadline_s), wallet=wallet)


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Device:
    made = Device(tmp_path_factory.mktemp("device"))
    os.mkfifo(made.folder / "button")
    (made.folder / "fingerprint").write_text(signers.fingerprint(1))
    made.feels("well")
    return made


@pytest.fixture(scope="module")
def own_node(nodes: Any, device: Device) -> RegtestNode:
    """A node with the device, and a wallet on it with coins of every kind of address."""
    node: RegtestNode = nodes(options=[f"-signer={sys.executable} {SCRIPT} {device.folder}"])
    with real_world(reached(node)) as made:
        assert made.call(create_wallet, DESK)[0] == 201
        for kind in signers.SINGLE:
            fund(node, made.call(create_address, {"wallet": "desk", "type": kind})[1]["address"], 2)
    return node


@pytest.fixture
def here(own_node: RegtestNode, device: Device, tmp_path: Path) -> Iterator[SmallWorld]:
    device.feels("well")
    (device.folder / "asked").write_text("")
    node = Impatient(reached(own_node))
    with real_world(node) as made, wiring.replaced({Table: SqliteTable(tmp_path / "table.sqlite")}):
        made.ms = own_node.rpc("getblockheader", own_node.rpc("getbestblockhash"))["time"] * 1000
        yield made
        own_node.mine(1)


def pay(here: SmallWorld, key: str = "one", **other: Any) -> tuple[int, Any]:
    return here.call(send_payment, WANTED | other, idempotency_key=key)[:2]


def balance_sat(here: SmallWorld) -> int:
    status, body, _ = here.call(get_balance, {"wallet": "desk"})
    assert status == 200, body
    return int(body["confirmed_sat"] + body["pending_sat"])


@pytest.mark.parametrize("kind", signers.SINGLE)
def test_the_wallets_addresses_are_the_devices(here: SmallWorld, kind: str) -> None:
    found = {here.call(create_address, {"wallet": "desk", "type": kind})[1]["address"] for _ in range(3)}
    descriptor = signers.bdk.Descriptor(signers.single(kind)[0], signers.TEST)
    known = {str(descriptor.derive_address(index, signers.bdk.Network.REGTEST)) for index in range(50)}

    assert found <= known


def test_a_payment_is_signed_on_the_device_and_counted(here: SmallWorld, own_node: RegtestNode, device: Device) -> None:
    before = balance_sat(here)
    status, body = pay(here, recipients=[{"address": ADDRESS, "amount_sat": 12_000_000_000}])

    assert (status, own_node.rpc("getrawmempool")) == (201, [body["txid"]]), body
    assert device.asked.count("signtx") == 1
    assert balance_sat(here) == before - 12_000_000_000 - body["fee_sat"]
    for _ in ("waiting", "mined"):
        assert here.call(reconcile_wallet, {"wallet": "desk"})[1]["differences"] == []
        own_node.mine(1)


def test_a_higher_fee_is_signed_on_the_device_as_well(here: SmallWorld, own_node: RegtestNode) -> None:
    old = pay(here)[1]
    wanted = {"payment_id": old["payment_id"], "max_fee_sat": 50_000, "feerate_sat_per_kvb": 20_000}
    status, body, _ = here.call(bump_fee, wanted, idempotency_key="two")

    assert (status, own_node.rpc("getrawmempool")) == (201, [body["txid"]]), body


def test_a_psbt_of_the_wallet_is_signed_on_the_device(here: SmallWorld) -> None:
    psbt = here.call(build_transaction, WANTED)[1]["psbt"]
    wanted = {"wallet": "desk", "psbt": psbt, "max_spent_sat": 60_000}
    status, body, _ = here.call(sign_transaction, wanted, idempotency_key="one")

    assert (status, body["complete"]) == (200, True), body


def test_a_no_on_the_device_is_definite_and_nobody_is_asked_twice(
    here: SmallWorld, own_node: RegtestNode, device: Device
) -> None:
    device.feels("no")
    first, second = pay(here), pay(here)

    assert (first[0], first[1]["type"], first[1]["money_moved"]) == (
        422,
        "/problems/refused/bitcoin/signer-refused",
        "no",
    )
    assert second[1]["type"] == first[1]["type"]
    assert device.asked.count("signtx") == 1
    device.feels("well")
    assert pay(here, "two")[0] == 201
    assert len(own_node.rpc("getrawmempool")) == 1


@pytest.mark.parametrize(
    ("mood", "code"),
    [("unplugged", "no-signer"), ("two", "several-signers"), ("locked", "no-signer-command")],
)
def test_without_the_device_nothing_is_sent_and_the_same_key_pays_when_it_is_back(
    here: SmallWorld, own_node: RegtestNode, device: Device, mood: str, code: str
) -> None:
    device.feels(mood)
    status, body = pay(here)
    assert (status, body["type"]) == (409, f"/problems/precondition/bitcoin/{code}")
    assert (body["money_moved"], body["repeat"], own_node.rpc("getrawmempool")) == ("no", "later", [])
    assert "signtx" not in device.asked
    device.feels("well")

    assert pay(here)[0] == 201
    assert len(own_node.rpc("getrawmempool")) == 1


def test_another_device_has_not_the_keys(here: SmallWorld, own_node: RegtestNode, device: Device) -> None:
    device.feels("another")
    assert pay(here)[1]["type"] == "/problems/refused/bitcoin/signer-refused"
    assert (device.asked.count("signtx"), own_node.rpc("getrawmempool")) == (0, [])


def test_what_a_slow_device_signs_too_late_is_never_sent_and_the_same_key_pays_once(
    here: SmallWorld, own_node: RegtestNode, device: Device
) -> None:
    device.feels("slow")
    node: Any = here.node
    node.patience_s = 1.0
    status, body = pay(here)
    assert (status, body["type"]) == (409, "/problems/precondition/bitcoin/signer-silent")
    assert (body["money_moved"], body["repeat"]) == ("no", "later")
    device.press_button()
    device.feels("well")
    node.patience_s = 20.0

    balance_sat(here)  # waits for the wallet, which the node keeps locked until it has the device's answer
    assert own_node.rpc("getrawmempool") == []
    status, body = pay(here)
    assert (status, own_node.rpc("getrawmempool")) == (201, [body["txid"]])


def test_a_command_that_ended_before_it_signed_frees_the_wallet(here: SmallWorld, device: Device) -> None:
    device.feels("late")
    status, body = pay(here)
    assert (status, body["type"]) == (409, "/problems/precondition/bitcoin/signer-failed")
    device.feels("well")

    assert pay(here)[0] == 201


def test_a_wallet_is_only_begun_when_there_is_one_device(here: SmallWorld, device: Device) -> None:
    for mood, code in (("unplugged", "no-signer"), ("two", "several-signers"), ("locked", "no-signer-command")):
        device.feels(mood)
        body = here.call(create_wallet, DESK | {"name": "second"})[1]
        assert body["type"] == f"/problems/precondition/bitcoin/{code}"
    device.feels("well")

    made = (201, {"name": "second", "watch_only": True, "external_signer": True})
    assert here.call(create_wallet, DESK | {"name": "second"})[:2] == made
    device.feels("unplugged")
    assert here.call(create_wallet, DESK | {"name": "second"})[:2] == made
    assert here.call(create_wallet, {"name": "second", "watch_only": True})[0] == 409


def test_a_wallet_for_which_the_device_gave_no_keys_is_no_wallet(here: SmallWorld, device: Device) -> None:
    device.feels("keyless")
    first = here.call(create_wallet, DESK | {"name": "third"})[1]
    device.feels("well")
    second = here.call(create_wallet, DESK | {"name": "third"})[1]

    assert first["type"] == second["type"] == "/problems/conflict/bitcoin/wallet-without-keys"


def test_a_node_without_a_command_for_devices_begins_no_wallet(node: RegtestNode) -> None:
    with real_world(reached(node)) as made:
        body = made.call(create_wallet, DESK)[1]

    assert body["type"] == "/problems/precondition/bitcoin/no-signer-command"
    assert "isthmus.main.desk" not in [one["name"] for one in node.rpc("listwalletdir")["wallets"]]
