"""A node as far as payments can tell it from a real one: coins, a mempool, blocks, and one wallet that signs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from isthmus.bitcoin import codes
from tests.faults.bodies import (
    FEE_SAT,
    OWN,
    VSIZE,
    Body,
    body_of,
    btc,
    fee_of,
    is_signed,
    opened,
    outpoint,
    output,
    packed,
    place,
    raw_of,
    sat,
    spent_by,
    txid_of,
)
from tests.faults.world import NODE_READ_FAULTS, READ_FAULTS, SEND_FAULTS, World

TILL = "isthmus.main.till"
ELSEWHERE = "elsewhere"
"""The transaction of somebody else who has the same keys."""

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
        arrived: transactions of others that pay the wallet, and waited once.
        ahead: what happens once, just before something that was sent arrives.
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
    arrived: dict[str, Body] = field(default_factory=dict)
    ahead: Callable[[], None] | None = None

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

    def getnewaddress(self, *_: Any) -> Any:
        self.serial += 1
        return f"{OWN}{self.serial}"

    def listunspent(self, least: int, *rest: Any) -> Any:
        most, smallest = (rest[0], sat(Decimal(rest[-1]["minimumAmount"]))) if rest else (1, 0)
        return [
            {
                **place(coin),
                "amount": btc(self.coins[coin]),
                "confirmations": int(coin not in self._unconfirmed()),
                "scriptPubKey": "0014" + "00" * 20,
                "label": "<b>not ours</b>",
                "safe": True,
            }
            for coin in sorted(self._unspent() - self.locked)
            if self.coins[coin] >= smallest and least <= int(coin not in self._unconfirmed()) <= most
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
        return {"ismine": address.startswith(OWN)}

    def gettransaction(self, txid: str) -> Any:
        if txid in self.arrived:
            excluded = f"{txid}:0" not in self.coins
            return {"confirmations": -1 if excluded else int(txid in self.chain), "txid": txid}
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

    def createpsbt(self, inputs: Any, outputs: Any, locktime: int, replaceable: bool) -> Any:  # noqa: FBT001 - as above
        coins = [outpoint(one) for one in inputs]
        amount = sum(sat(Decimal(value)) for one in outputs for value in one.values())
        return packed({"coins": coins, "amount": amount, "fee": self._worth(coins) - amount, "to": outputs})

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
        return {"complete": is_signed(body), "hex": raw_of(body)}

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
        fee = {"fee": btc(fee_of(body)), "estimated_vsize": VSIZE, "next": told["next"]}
        return fee | {"inputs": [told for _ in body["coins"]]}

    def decoderawtransaction(self, raw: str) -> Any:
        try:
            body = body_of(raw)
        except ValueError:
            raise codes.of_rpc("decoderawtransaction", -22) from None
        paid = [(address, value) for one in body["to"] for address, value in one.items()]
        left = self._worth(set(body["coins"])) - body["amount"] - fee_of(body)
        outputs = [*paid, *([(OWN, str(btc(left)))] if left > 0 else [])]
        vout = [output(index, address, value) for index, (address, value) in enumerate(outputs)]
        return {"txid": txid_of(raw), "vin": [place(coin) for coin in body["coins"]], "vsize": VSIZE, "vout": vout}

    def getrawtransaction(self, txid: str, verbose: bool) -> Any:  # noqa: FBT001 - the node's signature
        if txid not in self.mempool and not (self.indexed and txid in self.chain):
            raise codes.of_rpc("getrawtransaction", -5)
        return {"txid": txid, "confirmations": int(txid in self.chain)}

    def getindexinfo(self, name: str) -> Any:
        return {name: {"synced": True, "best_block_height": 1}} if self.indexed else {}

    # the mempool and the chain

    def testmempoolaccept(self, raws: list[str]) -> Any:
        body = body_of(raws[0])
        return [{"allowed": self._refusal(body) == 0, "fees": {"base": btc(fee_of(body))}}]

    def sendrawtransaction(self, raw: str) -> Any:
        ahead, self.ahead = self.ahead, None
        if ahead:
            ahead()
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
        body = self.mempool[txid]
        parents = {coin.partition(":")[0] for coin in body["coins"]} & self.mempool.keys()
        children = [name for name, one in self.mempool.items() if f"{txid}:0" in one["coins"]]
        fees = {"base": btc(fee_of(body))}
        return {"wtxid": txid, "vsize": VSIZE, "fees": fees, "depends": sorted(parents), "spentby": children}

    def gettxout(self, txid: str, vout: int, mempool: bool) -> Any:  # noqa: FBT001 - the node's signature
        """Null is one of its answers, and everything else is the other: it has no wrong shape."""
        there = self.chain.keys() | (self.mempool.keys() if mempool else set())
        if txid in there - self.arrived.keys():
            return None if self.swept and txid in self.chain else {"bestblock": "00", "value": Decimal(0)}
        coin = f"{txid}:{vout}"
        if coin in self._unconfirmed() and not mempool:
            return None
        spent = spent_by(self.chain.values()) | (spent_by(self.mempool.values()) if mempool else set())
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

    def arrive(self, txid: str, amount_sat: int) -> None:
        """Somebody else's transaction waits, at 1 sat/vB, and pays the wallet."""
        self.mempool[txid] = self.arrived[txid] = {"coins": [], "amount": amount_sat, "fee": VSIZE, "to": []}
        self.coins[f"{txid}:0"] = amount_sat

    def exclude(self, txid: str) -> None:
        """A block has another transaction in its place; what spends from it is gone with it."""
        coin = f"{txid}:0"
        self.mempool = {one: body for one, body in self.mempool.items() if one != txid and coin not in body["coins"]}
        del self.coins[coin]

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
        return [txid for txid in [*self.mempool, *self.chain] if txid not in {ELSEWHERE, *self.arrived}]

    def _all_spent(self, fee_sat: int) -> Body:
        coins = ({*self.coins, *self.foreign}) - spent_by(self.chain.values()) - spent_by(self.mempool.values())
        return {"coins": sorted(coins), "amount": 0, "serial": -1, "to": [], "fee": fee_sat}

    def _refusal(self, body: Body) -> int:
        """The code of the node's no, or 0: coins must be there, and all that is replaced be outbid together."""
        if not set(body["coins"]) <= {*self.coins, *self.foreign} - spent_by(self.chain.values()):
            return -25
        return -26 if self._rivals(body) and fee_of(body) <= sum(map(fee_of, self._rivals(body).values())) else 0

    def _rivals(self, body: Body) -> dict[str, Body]:
        return {txid: one for txid, one in self.mempool.items() if set(one["coins"]) & set(body["coins"])}

    def _unspent(self) -> set[str]:
        return set(self.coins) - spent_by(self.chain.values()) - spent_by(self.mempool.values())

    def _unconfirmed(self) -> set[str]:
        return {f"{txid}:0" for txid in self.arrived if txid in self.mempool}

    def _free(self) -> set[str]:
        """What the wallet chooses from: nothing that others have paid it and may undo."""
        return self._unspent() - self.locked - self._unconfirmed()

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
        return bool(set(body["coins"]) & set(self.coins)) or any(
            address.startswith(OWN) for one in body["to"] for address in one
        )

    def __getattr__(self, name: str) -> Any:
        raise codes.of_rpc(name, -32601)
