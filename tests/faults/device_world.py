"""A node whose till is on a signing device, and a device that does what a test wants."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from isthmus import wiring
from isthmus.bitcoin import codes
from isthmus.ports import BitcoinNode
from tests.faults.calls import SmallWorld
from tests.faults.node import TILL
from tests.faults.wallet_world import WalletNode, wallet_world


@dataclass
class DeviceNode(WalletNode):
    """The node.

    Args:
        signers: how many devices are connected; None without a command for devices.
        fails: the code of the node when the device is asked for keys or signatures; 0 when it gives them.
        silent: what is not answered in time.
        on_device: the wallets that were made with the device's keys.
        asked: how often the device was asked to sign.
    """

    wallets: dict[str, bool] = field(default_factory=lambda: {TILL: True})
    on_device: set[str] = field(default_factory=lambda: {TILL})
    signers: int | None = 1
    fails: int = 0
    silent: set[str] = field(default_factory=set)
    asked: int = 0

    def call(self, method: str, *params: Any, deadline_s: float = 20.0, wallet: str = "") -> Any:
        if method in self.silent:
            raise codes.of_transport(method, "timeout", sent=True)
        return super().call(method, *params, deadline_s=deadline_s, wallet=wallet)

    def enumeratesigners(self) -> Any:
        if self.signers is None:
            raise codes.of_rpc("enumeratesigners", -1)
        return {"signers": [{"fingerprint": f"0000000{number}"} for number in range(self.signers)]}

    def createwallet(self, name: str, *options: Any) -> Any:
        made = super().createwallet(name, *options)
        if options[6:] == (True,):
            self.on_device.add(name)
            if self.fails:
                raise codes.of_rpc("createwallet", self.fails)
            self.imported.append({"desc": "wpkh([00000000/84h/1h/0h]tpub/0/*)"})
        return made

    def getwalletinfo(self, wallet: str) -> Any:
        return super().getwalletinfo(wallet) | {"external_signer": wallet in self.on_device}

    def walletprocesspsbt(self, psbt: str, sign: bool) -> Any:  # noqa: FBT001 - the node's signature
        self.asked += sign
        if sign and self.fails:
            raise codes.of_rpc("walletprocesspsbt", self.fails)
        return super().walletprocesspsbt(psbt, sign)


@contextmanager
def device_world() -> Iterator[tuple[SmallWorld, DeviceNode]]:
    """The small world with that node."""
    with wallet_world() as made:
        made.node = node = DeviceNode(made.world, made.node.coins)
        with wiring.replaced({BitcoinNode: node}):
            yield made, node
