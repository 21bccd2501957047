"""The small world with a node that has several wallets, and a world with a real node in its place."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from isthmus import wiring
from isthmus.bitcoin import codes
from isthmus.ports import BitcoinNode
from tests.faults.calls import SmallWorld, small_world
from tests.faults.world import ModelNode

FEE_SAT = 300
OWN = "bcrt1qown"
TILL = "isthmus.main.till"


@dataclass
class WalletNode(ModelNode):
    """A node with wallets by name; only the till has coins. True: it watches only."""

    wallets: dict[str, bool] = field(default_factory=lambda: {TILL: False})
    unloaded: set[str] = field(default_factory=set)
    labels: list[str] = field(default_factory=list)
    imported: list[Any] = field(default_factory=list)
    raws: list[str] = field(default_factory=list)
    funded: dict[str, Any] = field(default_factory=dict)
    spoiled: dict[str, Any] = field(default_factory=dict)

    def call(self, method: str, *params: Any, deadline_s: float = 20.0, wallet: str = "") -> Any:
        if wallet and (wallet not in self.wallets or wallet in self.unloaded):
            raise codes.of_rpc(method, -18)
        if method in {"getwalletinfo", "getnewaddress", "importdescriptors"}:
            return super().call(method, wallet, *params, deadline_s=deadline_s)
        return super().call(method, *params, deadline_s=deadline_s)

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

    def getnewaddress(self, wallet: str, label: str, kind: str) -> Any:
        if self.wallets[wallet] and not self.imported:
            raise codes.of_rpc("getnewaddress", -4)
        self.labels.append(f"{label}/{kind}")
        return "bcrt1q" + hashlib.sha256(str(len(self.labels)).encode()).hexdigest()[:38]

    def getbalances(self) -> Any:
        trusted = sum(self.coins[coin] for coin in self._unspent())
        return {"mine": {"trusted": _btc(trusted), "untrusted_pending": Decimal(0), "immature": Decimal(50)}}

    def listunspent(self, least: int, *rest: Any) -> Any:
        if rest and rest[0] == 0:
            return []
        smallest = int(Decimal(rest[-1]["minimumAmount"]) * 100_000_000) if rest else 0
        return [
            {
                "txid": coin.split(":")[0],
                "vout": int(coin.split(":")[1]),
                "amount": _btc(self.coins[coin]),
                "confirmations": 1,
                "scriptPubKey": "0014" + "00" * 20,
                "label": "<b>not ours</b>",
                "safe": True,
            }
            for coin in self._unspent()
            if self.coins[coin] >= smallest
        ]

    def getdescriptorinfo(self, descriptor: str) -> Any:
        if not descriptor.startswith("wpkh("):
            raise codes.of_rpc("getdescriptorinfo", -5)
        private = "tprv" in descriptor
        return {"descriptor": descriptor + "#checksum", "isrange": "*" in descriptor, "hasprivatekeys": private}

    def listdescriptors(self) -> Any:
        return {"descriptors": self.imported}

    def walletcreatefundedpsbt(self, inputs: Any, outputs: Any, locktime: int, options: Any) -> Any:
        reply = super().walletcreatefundedpsbt(inputs, outputs, locktime, options)
        self.funded = json.loads(reply["psbt"])
        return reply | {"psbt": _packed(self.funded)}

    def walletprocesspsbt(self, psbt: str, sign: bool) -> Any:  # noqa: FBT001 - the node's signature
        body = _opened("walletprocesspsbt", psbt)
        if sign and self.wallet_locked:
            raise codes.of_rpc("walletprocesspsbt", -13)
        signed = {"signed": True} if sign and set(body["coins"]) <= set(self.coins) else {}
        return {"psbt": _packed(body | signed)}

    def finalizepsbt(self, psbt: str) -> Any:
        body = _opened("finalizepsbt", psbt)
        return {"complete": body.pop("signed", False), "hex": json.dumps(body).encode().hex()}

    def decodepsbt(self, psbt: str) -> Any:
        body = _opened("decodepsbt", psbt)
        signed = {"final_scriptwitness": ["00"]} if body.pop("signed", False) else {}
        tx = self.decoderawtransaction(json.dumps(body).encode().hex())
        about = signed | {name: body[name] for name in ("sighash",) if name in body}
        script = {"type": "witness_v0_keyhash"}
        inputs = [
            about
            | (
                {"witness_utxo": {"amount": _btc(self.coins[coin]), "scriptPubKey": script}}
                if coin in self.coins
                else {}
            )
            for coin in body["coins"]
        ]
        return {"tx": tx | {"vin": [one | {"sequence": 0} for one in tx["vin"]]}, "inputs": inputs}

    def analyzepsbt(self, psbt: str) -> Any:
        body = _opened("analyzepsbt", psbt)
        if body.get("broken"):
            return {"inputs": [], "next": "creator", "error": "PSBT is not valid."}
        lacks = {"next": "signer", "missing": {"signatures": ["ab" * 20]}}
        told = {"next": "extractor"} if body.get("signed") else lacks
        fee = {"fee": _btc(_fee(body)), "estimated_vsize": 140, "next": told["next"]}
        return fee | {"inputs": [told for _ in body["coins"]]}

    def decoderawtransaction(self, raw: str) -> Any:
        try:
            body = json.loads(bytes.fromhex(raw))
        except ValueError:
            raise codes.of_rpc("decoderawtransaction", -22) from None
        paid = [(address, value) for one in body["to"] for address, value in one.items()]
        left = sum(self.coins.get(coin, 0) for coin in set(body["coins"])) - body["amount"] - _fee(body)
        outputs = [*paid, *([(OWN, str(_btc(left)))] if left > 0 else [])]
        vout = [_output(index, address, value) for index, (address, value) in enumerate(outputs)]
        return super().decoderawtransaction(raw) | {"vout": vout}

    def getaddressinfo(self, address: str) -> Any:
        return {"ismine": address == OWN}

    def getrawtransaction(self, txid: str, verbose: bool) -> Any:  # noqa: FBT001 - the node's signature
        if txid not in self.mempool and txid not in self.chain:
            raise codes.of_rpc("getrawtransaction", -5)
        return {"txid": txid, "confirmations": int(txid in self.chain)}

    def psbtbumpfee(self, txid: str, options: Any) -> Any:
        if txid not in self.mempool:
            raise codes.of_rpc("psbtbumpfee", -4)
        self.serial += 1
        fee = _fee(self.mempool[txid]) * 3
        self.funded = {**self.mempool[txid], "fee": fee, "serial": self.serial} | self.spoiled
        return {"psbt": _packed(self.funded), "fee": _btc(fee)}

    def testmempoolaccept(self, raws: list[str]) -> Any:
        body = json.loads(bytes.fromhex(raws[0]))
        allowed = self._outbids(body) and set(body["coins"]) <= self._unspent() | self._waiting()
        return [{"allowed": allowed, "fees": {"base": _btc(_fee(body))}}]

    def sendrawtransaction(self, raw: str) -> Any:
        body = json.loads(bytes.fromhex(raw))
        if raw not in self.raws and self._outbids(body):
            self.mempool = {
                txid: one for txid, one in self.mempool.items() if not set(one["coins"]) & set(body["coins"])
            }
        self.raws.append(raw)
        return super().sendrawtransaction(raw)

    def _outbids(self, body: Any) -> bool:
        """Whether it pays more than everything that waits and spends the same."""
        rivals = [one for one in self.mempool.values() if set(one["coins"]) & set(body["coins"])]
        return all(_fee(body) > _fee(one) for one in rivals)

    def _waiting(self) -> set[str]:
        return {coin for one in self.mempool.values() for coin in one["coins"]}

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


def _output(index: int, address: str, value: str) -> dict[str, Any]:
    script = {"hex": address.encode().hex(), "address": address, "type": "witness_v0_keyhash"}
    return {"n": index, "value": Decimal(value), "scriptPubKey": script}


def _packed(body: Any) -> str:
    return base64.b64encode(json.dumps(body).encode()).decode()


def _opened(method: str, psbt: str) -> dict[str, Any]:
    try:
        body: dict[str, Any] = json.loads(base64.b64decode(psbt, validate=True))
    except ValueError:
        raise codes.of_rpc(method, -22) from None
    return body


def _fee(body: Any) -> int:
    return int(body.get("fee", FEE_SAT))


def _btc(sat: int) -> Decimal:
    return Decimal(sat) / 100_000_000
