"""The small world with a node that has several wallets, and a world with a real node in its place."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from isthmus import wiring
from isthmus.bitcoin import codes
from isthmus.ports import BitcoinNode
from tests.faults.bodies import btc
from tests.faults.calls import SmallWorld, small_world
from tests.faults.node import TILL, ModelNode


@dataclass
class WalletNode(ModelNode):
    """A node with wallets by name; only the till has coins. True: it watches only."""

    wallets: dict[str, bool] = field(default_factory=lambda: {TILL: False})
    unloaded: set[str] = field(default_factory=set)
    labels: list[str] = field(default_factory=list)
    imported: list[Any] = field(default_factory=list)
    pruned_until_s: int = 0

    def call(self, method: str, *params: Any, deadline_s: float = 20.0, wallet: str = "") -> Any:
        if wallet and (wallet not in self.wallets or wallet in self.unloaded):
            raise codes.of_rpc(method, -18)
        if method in {"getwalletinfo", "getnewaddress", "importdescriptors"}:
            return super().call(method, wallet, *params, deadline_s=deadline_s)
        return super().call(method, *params, deadline_s=deadline_s)

    def getblockchaininfo(self) -> Any:
        pruned = {"pruned": True, "pruneheight": 5} if self.pruned_until_s else {}
        return super().getblockchaininfo() | pruned

    def getblockhash(self, height: int) -> Any:
        return f"{height:064x}"

    def getblockheader(self, _: str) -> Any:
        return {"time": self.pruned_until_s}

    def listwallets(self) -> Any:
        return [name for name in self.wallets if name not in self.unloaded]

    def listwalletdir(self) -> Any:
        return {"wallets": [{"name": name} for name in self.wallets]}

    def loadwallet(self, name: str, startup: bool) -> Any:  # noqa: FBT001 - the node's signature
        if name not in self.unloaded:
            raise codes.of_rpc("loadwallet", -35)
        self.unloaded.discard(name)
        return {"name": name}

    def createwallet(self, name: str, *options: Any) -> Any:
        if name in self.wallets:
            raise codes.of_rpc("createwallet", -4)
        self.wallets[name] = options[0]
        return {"name": name}

    def getwalletinfo(self, wallet: str) -> Any:
        return {"walletname": wallet, "private_keys_enabled": not self.wallets[wallet]}

    def getnewaddress(self, wallet: str, label: str = "", kind: str = "") -> Any:
        if self.wallets[wallet] and not self.imported:
            raise codes.of_rpc("getnewaddress", -4)
        self.labels.append(f"{label}/{kind}")
        return "bcrt1q" + hashlib.sha256(str(len(self.labels)).encode()).hexdigest()[:38]

    def getbalances(self) -> Any:
        trusted = sum(self.coins[coin] for coin in self._unspent())
        return {"mine": {"trusted": btc(trusted), "untrusted_pending": Decimal(0), "immature": Decimal(50)}}

    def getdescriptorinfo(self, descriptor: str) -> Any:
        if not descriptor.startswith("wpkh("):
            raise codes.of_rpc("getdescriptorinfo", -5)
        private = "tprv" in descriptor
        return {"descriptor": descriptor + "#checksum", "isrange": "*" in descriptor, "hasprivatekeys": private}

    def listdescriptors(self) -> Any:
        return {"descriptors": self.imported}

    def importdescriptors(self, wallet: str, asked: list[Any]) -> Any:
        self.imported += asked
        return [{"success": True} for _ in asked]


@contextmanager
def wallet_world() -> Iterator[SmallWorld]:
    """The small world with wallets."""
    with small_world() as made:
        made.node = WalletNode(made.world, made.node.coins)
        with wiring.replaced({BitcoinNode: made.node}):
            yield made


@contextmanager
def real_world(node: Any) -> Iterator[SmallWorld]:
    """The small world with a real node behind the port."""
    with small_world() as made:
        made.node = node
        with wiring.replaced({BitcoinNode: node}):
            yield made
