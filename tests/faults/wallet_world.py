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
from tests.faults.calls import SmallWorld, small_world
from tests.faults.node import TILL, Body, ModelNode, btc, fee_of, outpoint, packed, sat

VSIZE = 140


@dataclass
class WalletNode(ModelNode):
    """A node with wallets by name; only the till has coins. True: it watches only."""

    wallets: dict[str, bool] = field(default_factory=lambda: {TILL: False})
    unloaded: set[str] = field(default_factory=set)
    labels: list[str] = field(default_factory=list)
    imported: list[Any] = field(default_factory=list)
    arrived: dict[str, Body] = field(default_factory=dict)
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

    # what others pay the till, and children of that

    def arrive(self, txid: str, amount_sat: int) -> None:
        """Somebody else's transaction waits, at 1 sat/vB, and pays the till."""
        self.mempool[txid] = self.arrived[txid] = {"coins": [], "amount": amount_sat, "fee": VSIZE, "to": []}
        self.coins[f"{txid}:0"] = amount_sat

    def exclude(self, txid: str) -> None:
        """A block has another transaction in its place; what spends from it is gone with it."""
        coin = f"{txid}:0"
        self.mempool = {one: body for one, body in self.mempool.items() if one != txid and coin not in body["coins"]}
        del self.coins[coin]

    @property
    def effects(self) -> list[str]:
        """The payments that exist."""
        return [txid for txid in super().effects if txid not in self.arrived]

    def listunspent(self, least: int, *rest: Any) -> Any:
        if not rest or rest[0] != 0:
            return super().listunspent(least, *rest)
        return [one | {"confirmations": 0} for one in super().listunspent(least) if one["txid"] in self.mempool]

    def gettransaction(self, txid: str) -> Any:
        if txid not in self.arrived:
            return super().gettransaction(txid)
        excluded = f"{txid}:0" not in self.coins
        return {"confirmations": -1 if excluded else int(txid in self.chain), "txid": txid}

    def gettxout(self, txid: str, vout: int, mempool: bool) -> Any:  # noqa: FBT001 - the node's signature
        waits = txid in self.arrived and txid in self.mempool
        return None if waits and not mempool else super().gettxout(txid, vout, mempool)

    def getmempoolentry(self, txid: str) -> Any:
        entry, body = super().getmempoolentry(txid), self.mempool[txid]
        parents = {coin.partition(":")[0] for coin in body["coins"]} & self.mempool.keys()
        children = [one for one, other in self.mempool.items() if f"{txid}:0" in other["coins"]]
        return entry | {"fees": {"base": btc(fee_of(body))}, "depends": sorted(parents), "spentby": children}

    def createpsbt(self, inputs: Any, outputs: Any, locktime: int, replaceable: bool) -> Any:  # noqa: FBT001 - as above
        coins = [outpoint(one) for one in inputs]
        amount = sum(sat(Decimal(value)) for one in outputs for value in one.values())
        return packed({"coins": coins, "amount": amount, "fee": self._worth(coins) - amount, "to": outputs})


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
