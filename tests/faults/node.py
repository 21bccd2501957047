"""A node as far as payments can tell it from a real one: coins, a mempool, blocks, and one wallet that signs.

A transaction is a JSON body: `coins` that it spends, `to` whom it pays, their `amount` together, its `fee`, and a
`serial` that tells it from others alike. What is left of the coins comes back to the wallet. A PSBT is the same body,
and `signed` once the wallet has signed it.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from isthmus.bitcoin import codes
from tests.faults.world import NODE_READ_FAULTS, READ_FAULTS, SEND_FAULTS, World

TILL = "isthmus.main.till"
OWN = "bcrt1qown"
FEE_SAT = 300
ELSEWHERE = "elsewhere"
"""The transaction of somebody else who has the same keys."""

Body = dict[str, Any]

CHANGING = frozenset({"sendrawtransaction", "lockunspent"})
"""What leaves something behind on the node, also when its answer is lost."""


@dataclass
class ModelNode:
    """The node.

    Args:
        world: which may break every call.
        coins: of the wallet, `txid:vout` to satoshi.
        foreign: coins that are others'.
        refuses: how often it refuses what is sent at first, as for a fee that is too low at that moment.
        indexed: whether it finds every mined transaction (txindex=1).
        swept: whether everything that was paid is spent again at once when it is mined.
        spoiled: what a wallet that lies builds instead.
    """

    world: World
    coins: dict[str, int]
    foreign: dict[str, int] = field(default_factory=dict)
    refuses: int = 0
    indexed: bool = True
    swept: bool = False
    mempool: dict[str, Body] = field(default_factory=dict)
    chain: dict[str, Body] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)
    serial: int = 0
    wallet_locked: bool = False
    lose: bool = False
    unreachable: bool = False
    sent: list[str] = field(default_factory=list)
    spoiled: Body = field(default_factory=dict)

    def call(self, method: str, *params: Any, deadline_s: float = 20.0, wallet: str = "") -> Any:
        kinds = SEND_FAULTS if method in CHANGING else READ_FAULTS if method == "gettxout" else NODE_READ_FAULTS

        def lost() -> Exception:
            return codes.of_transport(method, "timeout", sent=True)

        if self.unreachable:
            raise codes.of_transport(method, "refused", sent=False)
        answer = self.world.around(method, kinds, lost, lambda: getattr(self, method)(*params))
        if self.lose and method == "sendrawtransaction":
            raise lost()
        return answer

    def getblockchaininfo(self) -> Any:
        return {"chain": "regtest", "initialblockdownload": False}

    # the wallet

    def listwallets(self) -> Any:
        return [TILL]

    def getwalletinfo(self, *_: Any) -> Any:
        return {"private_keys_enabled": True}

    def listunspent(self, least: int, *rest: Any) -> Any:
        if rest and rest[0] == 0:
            return []
        smallest = sat(Decimal(rest[-1]["minimumAmount"])) if rest else 0
        return [
            {
                **place(coin),
                "amount": btc(self.coins[coin]),
                "confirmations": 1,
                "scriptPubKey": "0014" + "00" * 20,
                "label": "<b>not ours</b>",
                "safe": True,
            }
            for coin in sorted(self._free())
            if self.coins[coin] >= smallest
        ]

    def lockunspent(self, unlock: bool, coins: list[dict[str, Any]]) -> Any:  # noqa: FBT001 - the node's signature
        named = {outpoint(one) for one in coins}
        if named & self.locked != (named if unlock else set()):
            raise codes.of_rpc("lockunspent", -8)
        self.locked ^= named
        return True

    def listlockunspent(self) -> Any:
        return [place(coin) for coin in sorted(self.locked)]

    def getaddressinfo(self, address: str) -> Any:
        return {"ismine": address == OWN}

    def gettransaction(self, txid: str) -> Any:
        if any(coin.startswith(f"{txid}:") for coin in [*self.coins, *self.foreign]):
            return {"confirmations": 1, "txid": txid}
        for where, confirmations in ((self.chain, 1), (self.mempool, 0)):
            if txid in where and self._touches(where[txid]):
                return {"confirmations": confirmations, "txid": txid}
        raise codes.of_rpc("gettransaction", -5)

    def walletcreatefundedpsbt(self, inputs: Any, outputs: Any, locktime: int, options: Any) -> Any:
        amount = sum(sat(Decimal(value)) for one in outputs for value in one.values())
        chosen = [outpoint(one) for one in inputs] or self._enough([], amount + FEE_SAT)
        if self._worth(chosen) < amount + FEE_SAT:
            raise codes.of_rpc("walletcreatefundedpsbt", -4)
        self.serial += 1  # each time another change address, so each time another transaction
        body = {"coins": chosen, "amount": amount, "serial": self.serial, "to": outputs}
        return {"psbt": packed(body), "fee": btc(FEE_SAT), "changepos": 1}

    def psbtbumpfee(self, txid: str, options: Any) -> Any:
        if txid not in self.mempool:
            raise codes.of_rpc("psbtbumpfee", -4)
        old = self.mempool[txid]
        fee = fee_of(old) * 3
        coins = self._enough(old["coins"], old["amount"] + fee)
        if self._worth(coins) < old["amount"] + fee:
            raise codes.of_rpc("psbtbumpfee", -4)
        self.serial += 1
        body = {**old, "coins": coins, "fee": fee, "serial": self.serial} | self.spoiled
        return {"psbt": packed(body), "fee": btc(fee)}

    def walletprocesspsbt(self, psbt: str, sign: bool) -> Any:  # noqa: FBT001 - the node's signature
        body = opened("walletprocesspsbt", psbt)
        if sign and self.wallet_locked:
            raise codes.of_rpc("walletprocesspsbt", -13)
        if sign and set(body["coins"]) <= set(self.coins):
            self.serial += 1  # no two signatures are alike
            body["signed"] = self.serial
        return {"psbt": packed(body)}

    # PSBTs and transactions

    def combinepsbt(self, psbts: list[str]) -> Any:
        bodies = [opened("combinepsbt", one) for one in psbts]
        by = sorted({name for one in bodies for name in one.get("by", [])})
        return packed({**bodies[0], "by": by, "signed": any(one.get("signed") for one in bodies)})

    def finalizepsbt(self, psbt: str) -> Any:
        body = opened("finalizepsbt", psbt)
        return {"complete": _is_signed(body), "hex": raw_of(body)}

    def decodepsbt(self, psbt: str) -> Any:
        body = opened("decodepsbt", psbt)
        signed = {"final_scriptwitness": ["00"]} if body.get("signed") else {}
        tx = self.decoderawtransaction(raw_of(body))
        about = signed | {name: body[name] for name in ("sighash",) if name in body}
        script = {"type": "witness_v0_keyhash"}
        inputs = [
            about
            | (
                {"witness_utxo": {"amount": btc(self.coins[coin]), "scriptPubKey": script}}
                if coin in self.coins
                else {}
            )
            for coin in body["coins"]
        ]
        return {"tx": tx | {"vin": [one | {"sequence": 0} for one in tx["vin"]]}, "inputs": inputs}

    def analyzepsbt(self, psbt: str) -> Any:
        body = opened("analyzepsbt", psbt)
        if body.get("broken"):
            return {"inputs": [], "next": "creator", "error": "PSBT is not valid."}
        lacks = {"next": "signer", "missing": {"signatures": ["ab" * 20]}}
        told = {"next": "extractor"} if body.get("signed") else lacks
        fee = {"fee": btc(fee_of(body)), "estimated_vsize": 140, "next": told["next"]}
        return fee | {"inputs": [told for _ in body["coins"]]}

    def decoderawtransaction(self, raw: str) -> Any:
        try:
            body = body_of(raw)
        except ValueError:
            raise codes.of_rpc("decoderawtransaction", -22) from None
        paid = [(address, value) for one in body["to"] for address, value in one.items()]
        left = self._worth(set(body["coins"])) - body["amount"] - fee_of(body)
        outputs = [*paid, *([(OWN, str(btc(left)))] if left > 0 else [])]
        vout = [_output(index, address, value) for index, (address, value) in enumerate(outputs)]
        return {"txid": txid_of(raw), "vin": [place(coin) for coin in body["coins"]], "vsize": 140, "vout": vout}

    def getrawtransaction(self, txid: str, verbose: bool) -> Any:  # noqa: FBT001 - the node's signature
        if txid not in self.mempool and not (self.indexed and txid in self.chain):
            raise codes.of_rpc("getrawtransaction", -5)
        return {"txid": txid, "confirmations": int(txid in self.chain)}

    # the mempool and the chain

    def testmempoolaccept(self, raws: list[str]) -> Any:
        body = body_of(raws[0])
        return [{"allowed": self._refusal(body) == 0, "fees": {"base": btc(fee_of(body))}}]

    def sendrawtransaction(self, raw: str) -> Any:
        txid, body = txid_of(raw), body_of(raw)
        self.sent.append(txid)
        if txid in self.mempool:
            return txid
        if txid in self.chain and not self.swept:
            raise codes.of_rpc("sendrawtransaction", -27)
        if self.refuses > 0:
            self.refuses -= 1
            raise codes.of_rpc("sendrawtransaction", -26)
        if refusal := self._refusal(body):
            raise codes.of_rpc("sendrawtransaction", refusal)
        for rival in self._rivals(body):
            del self.mempool[rival]
        self.mempool[txid] = body
        return txid

    def getmempoolentry(self, txid: str) -> Any:
        if txid not in self.mempool:
            raise codes.of_rpc("getmempoolentry", -5)
        return {"wtxid": txid, "vsize": 140}

    def gettxout(self, txid: str, vout: int, mempool: bool) -> Any:  # noqa: FBT001 - the node's signature
        """Null is one of its answers, and everything else is the other: it has no wrong shape."""
        there = self.chain.keys() | (self.mempool.keys() if mempool else set())
        if txid in there:
            return None if self.swept and txid in self.chain else {"bestblock": "00", "value": Decimal(0)}
        coin = f"{txid}:{vout}"
        spent = _spent(self.chain) | (_spent(self.mempool) if mempool else set())
        unspent = {*self.coins, *self.foreign} - spent
        return {"bestblock": "00", "value": btc(self._worth([coin]))} if coin in unspent else None

    def gettxspendingprevout(self, coins: list[dict[str, Any]]) -> Any:
        found = [{"txid": one["txid"], "vout": one["vout"]} for one in coins]
        for one in found:
            for txid, body in self.mempool.items():
                if outpoint(one) in body["coins"]:
                    one["spendingtxid"] = txid
        return found

    # what happens beside

    def mine(self) -> None:
        """Everything that waits is in a block."""
        self.chain |= self.mempool
        self.mempool.clear()

    def spend_elsewhere(self) -> None:
        """Somebody with the same keys spends every coin, and it is mined."""
        self.mempool = {}
        self.chain[ELSEWHERE] = self._all_spent(0)

    def wait_elsewhere(self, fee_sat: int) -> None:
        """Somebody with the same keys spends every coin that is free, and it waits."""
        self.mempool[ELSEWHERE] = self._all_spent(fee_sat)

    @property
    def effects(self) -> list[str]:
        """The payments that exist."""
        return [txid for txid in [*self.mempool, *self.chain] if txid != ELSEWHERE]

    def _all_spent(self, fee_sat: int) -> Body:
        coins = ({*self.coins, *self.foreign}) - _spent(self.chain) - _spent(self.mempool)
        return {"coins": sorted(coins), "amount": 0, "serial": -1, "to": [], "fee": fee_sat}

    def _refusal(self, body: Body) -> int:
        """The code of the node's no, or 0: coins must be there, and all that is replaced be outbid together."""
        if not set(body["coins"]) <= {*self.coins, *self.foreign} - _spent(self.chain):
            return -25
        return -26 if self._rivals(body) and fee_of(body) <= sum(map(fee_of, self._rivals(body).values())) else 0

    def _rivals(self, body: Body) -> dict[str, Body]:
        return {txid: one for txid, one in self.mempool.items() if set(one["coins"]) & set(body["coins"])}

    def _unspent(self) -> set[str]:
        return set(self.coins) - _spent(self.chain) - _spent(self.mempool)

    def _free(self) -> set[str]:
        return self._unspent() - self.locked

    def _enough(self, coins: list[str], amount: int) -> list[str]:
        """The coins, and as many more as are needed and there are."""
        chosen = list(coins)
        for coin in sorted(self._free()):
            if self._worth(chosen) < amount:
                chosen.append(coin)
        return chosen

    def _worth(self, coins: Iterable[str]) -> int:
        return sum((self.coins | self.foreign).get(coin, 0) for coin in coins)

    def _touches(self, body: Body) -> bool:
        """Whether a transaction is the wallet's: it spends its coins, or pays it."""
        return bool(set(body["coins"]) & set(self.coins)) or any(OWN in one for one in body["to"])

    def __getattr__(self, name: str) -> Any:
        raise codes.of_rpc(name, -32601)


def packed(body: Body) -> str:
    """The PSBT of a body."""
    return base64.b64encode(json.dumps(body).encode()).decode()


def opened(method: str, psbt: str) -> Body:
    """The body of a PSBT."""
    try:
        body: Body = json.loads(base64.b64decode(psbt, validate=True))
    except ValueError:
        raise codes.of_rpc(method, -22) from None
    return body


def raw_of(body: Body) -> str:
    """The transaction of a body, hexadecimal, which is the same whoever has signed it."""
    unsigned = {name: value for name, value in body.items() if name not in {"signed", "by", "needs"}}
    return json.dumps(unsigned).encode().hex()


def body_of(raw: str) -> Body:
    """The body of a transaction."""
    body: Body = json.loads(bytes.fromhex(raw))
    return body


def txid_of(raw: str) -> str:
    """The id of a transaction."""
    return "a" + hashlib.sha256(raw.encode()).hexdigest()[1:]


def fee_of(body: Mapping[str, Any]) -> int:
    """What a transaction pays the miner, in satoshi."""
    return int(body.get("fee", FEE_SAT))


def btc(amount_sat: int) -> Decimal:
    """An amount as the node writes it."""
    return Decimal(amount_sat) / 100_000_000


def sat(amount: Decimal) -> int:
    """An amount in satoshi."""
    return int(amount * 100_000_000)


def outpoint(named: Mapping[str, Any]) -> str:
    """`txid:vout`."""
    return f"{named['txid']}:{named['vout']}"


def place(coin: str) -> dict[str, Any]:
    """The node's notation of `txid:vout`."""
    txid, _, vout = coin.partition(":")
    return {"txid": txid, "vout": int(vout)}


def _is_signed(body: Body) -> bool:
    """Whether it has the wallet's signature, or those of as many signers as it needs."""
    return bool(body.get("signed")) or len(body.get("by", [])) >= body.get("needs", 1)


def _output(index: int, address: str, value: str) -> dict[str, Any]:
    script = {"hex": address.encode().hex(), "address": address, "type": "witness_v0_keyhash"}
    return {"n": index, "value": Decimal(value), "scriptPubKey": script}


def _spent(transactions: Mapping[str, Body]) -> set[str]:
    return {coin for one in transactions.values() for coin in one["coins"]}
