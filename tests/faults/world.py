"""A small world in which everything can go wrong: a store and a node whose every call may be lost, late or doubled.

A schedule says at which call which fault happens. The store and the node are models, small enough to be read; the code
between them, ledger and connector, is the real one.
"""

import copy
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from isthmus.bitcoin import codes
from isthmus.failure import Conflict, Failure, Unavailable
from isthmus.storage.table import Absent, Check, Delete, Equals, Item, Page, Put, Row, Write

READ_FAULTS = ("crash", "lost")
WRITE_FAULTS = ("crash", "crash-after", "lost", "lost-answer", "delayed")
SEND_FAULTS = (*WRITE_FAULTS, "duplicated", "wrong-shape")
NODE_READ_FAULTS = (*READ_FAULTS, "wrong-shape")

Schedule = Mapping[int, str]


class Crash(BaseException):
    """The process is gone."""


@dataclass
class World:
    """What happens when: a schedule, and which calls were made."""

    schedule: Schedule
    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    late: list[Callable[[], Any]] = field(default_factory=list)
    calm: bool = False

    def fault(self, name: str, kinds: tuple[str, ...]) -> str:
        """The fault of this call, or nothing."""
        if self.calm:
            return ""
        self.calls.append((name, kinds))
        return self.schedule.get(len(self.calls) - 1, "")

    def around(self, name: str, kinds: tuple[str, ...], lost: Callable[[], Exception], act: Callable[[], Any]) -> Any:
        """Do what the call does, with its fault."""
        fault = self.fault(name, kinds)
        if fault == "crash":
            raise Crash
        if fault == "lost":
            raise lost()
        if fault == "wrong-shape" and kinds is NODE_READ_FAULTS:
            return {"nonsense": True}
        if fault == "delayed":
            self.late.append(act)
            raise lost()
        result = act()
        if fault == "crash-after":
            raise Crash
        if fault == "lost-answer":
            raise lost()
        if fault == "duplicated":
            act()
        return {"nonsense": True} if fault == "wrong-shape" else result

    def settle_down(self) -> None:
        """What was delayed arrives; nothing goes wrong any more."""
        self.calm = True
        for act in self.late:
            try:
                act()
            except Failure:
                continue
        self.late.clear()


class MemoryTable:
    """The Table port in memory, with the conditions of the real ones; `world` may break every call."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.items: dict[tuple[str, str], str] = {}

    def get(self, pk: str, sk: str) -> Item | None:
        return self.world.around("get " + pk, READ_FAULTS, _store_lost, lambda: self._item(pk, sk))

    def query(
        self, pk: str, *, prefix: str = "", after: str | None = None, limit: int = 100, reverse: bool = False
    ) -> Page:
        def read() -> Page:
            keys = sorted(sk for one, sk in self.items if one == pk and sk.startswith(prefix) and sk > (after or ""))
            rows = tuple(Row(sk, json.loads(self.items[pk, sk])) for sk in keys[:limit])
            return Page(rows, rows[-1].sk if len(keys) > limit else None)

        assert not reverse
        return self.world.around("query " + pk, READ_FAULTS, _store_lost, read)

    def put(self, pk: str, sk: str, item: Item, *, when: Any = None) -> None:
        self.transact([Put(pk, sk, item, when)])

    def delete(self, pk: str, sk: str, *, when: Any = None) -> None:
        self.transact([Delete(pk, sk, when)])

    def transact(self, writes: Sequence[Write]) -> None:
        asked = copy.deepcopy(list(writes))
        self.world.around("transact", WRITE_FAULTS, _store_lost, lambda: self._apply(asked))

    def _item(self, pk: str, sk: str) -> Item | None:
        found = self.items.get((pk, sk))
        return None if found is None else json.loads(found)

    def _apply(self, writes: Sequence[Write]) -> None:
        for write in writes:
            item = self._item(write.pk, write.sk)
            match write.when:
                case Absent() if item is not None:
                    raise _condition()
                case Equals(attribute, value) if item is None or item.get(attribute) != value:
                    raise _condition()
        for write in writes:
            if isinstance(write, Put):
                self.items[write.pk, write.sk] = json.dumps(write.item)
            elif not isinstance(write, Check):
                self.items.pop((write.pk, write.sk), None)


@dataclass
class ModelNode:
    """A node with one wallet: coins, a mempool and blocks, as far as a payment can tell them apart."""

    world: World
    coins: dict[str, int]
    refuses: int = 0
    mempool: dict[str, dict[str, Any]] = field(default_factory=dict)
    chain: dict[str, dict[str, Any]] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)
    serial: int = 0
    wallet_locked: bool = False
    lose: bool = False
    unreachable: bool = False
    sent: list[str] = field(default_factory=list)

    def call(self, method: str, *params: Any, deadline_s: float = 20.0, wallet: str = "") -> Any:
        kinds = SEND_FAULTS if method == "sendrawtransaction" else NODE_READ_FAULTS

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

    def listwallets(self) -> Any:
        return ["till"]

    def listunspent(self, least: int, *_: Any) -> Any:
        return [{"txid": coin.split(":")[0], "vout": int(coin.split(":")[1])} for coin in self._unspent()]

    def lockunspent(self, unlock: bool, coins: list[dict[str, Any]]) -> Any:  # noqa: FBT001 - the node's signature
        named = {f"{one['txid']}:{one['vout']}" for one in coins}
        self.locked = self.locked - named if unlock else self.locked | named
        return True

    def walletcreatefundedpsbt(self, inputs: Any, outputs: Any, locktime: int, options: Any) -> Any:
        amount = sum(int(Decimal(value) * 100_000_000) for one in outputs for value in one.values())
        chosen: list[str] = []
        for coin in sorted(self._unspent() - self.locked):
            chosen.append(coin)
            if sum(self.coins[one] for one in chosen) >= amount + 300:
                break
        else:
            raise codes.of_rpc("walletcreatefundedpsbt", -4)
        self.serial += 1  # each time another change address, so each time another transaction
        body = {"coins": chosen, "amount": amount, "serial": self.serial, "to": outputs}
        return {"psbt": json.dumps(body), "fee": Decimal("0.00000300"), "changepos": 1}

    def walletprocesspsbt(self, psbt: str, sign: bool) -> Any:  # noqa: FBT001 - the node's signature
        if self.wallet_locked:
            raise codes.of_rpc("walletprocesspsbt", -13)
        return {"psbt": psbt, "complete": True}

    def finalizepsbt(self, psbt: str) -> Any:
        return {"complete": True, "hex": psbt.encode().hex()}

    def decoderawtransaction(self, raw: str) -> Any:
        vin = [{"txid": coin.split(":")[0], "vout": int(coin.split(":")[1])} for coin in _body(raw)["coins"]]
        return {"txid": _txid(raw), "vin": vin, "vsize": 140}

    def testmempoolaccept(self, raws: list[str]) -> Any:
        return [{"txid": _txid(raws[0]), "allowed": set(_body(raws[0])["coins"]) <= self._unspent()}]

    def sendrawtransaction(self, raw: str) -> Any:
        txid = _txid(raw)
        self.sent.append(txid)
        if txid in self.chain:
            raise codes.of_rpc("sendrawtransaction", -27)
        if txid in self.mempool:
            return txid
        if self.refuses > 0:
            self.refuses -= 1
            raise codes.of_rpc("sendrawtransaction", -26)
        if not set(_body(raw)["coins"]) <= self._unspent():
            raise codes.of_rpc("sendrawtransaction", -25)
        self.mempool[txid] = _body(raw)
        return txid

    def gettransaction(self, txid: str) -> Any:
        if txid in self.chain or txid.startswith("c"):
            return {"confirmations": 1, "txid": txid}
        if txid in self.mempool:
            return {"confirmations": 0, "txid": txid}
        raise codes.of_rpc("gettransaction", -5)

    def getmempoolentry(self, txid: str) -> Any:
        if txid not in self.mempool:
            raise codes.of_rpc("getmempoolentry", -5)
        return {"wtxid": txid, "vsize": 140}

    def gettxout(self, txid: str, vout: int, mempool: bool) -> Any:  # noqa: FBT001 - the node's signature
        spent = _spent(self.chain) | (_spent(self.mempool) if mempool else set())
        return None if f"{txid}:{vout}" in spent else {}

    def gettxspendingprevout(self, coins: list[dict[str, Any]]) -> Any:
        found = [{"txid": one["txid"], "vout": one["vout"]} for one in coins]
        for one in found:
            for txid, body in self.mempool.items():
                if f"{one['txid']}:{one['vout']}" in body["coins"]:
                    one["spendingtxid"] = txid
        return found

    def mine(self) -> None:
        """Everything that waits is in a block."""
        self.chain |= self.mempool
        self.mempool.clear()

    def spend_elsewhere(self) -> None:
        """Somebody with the same keys spends every coin, and it is mined."""
        self.mempool = {}
        self.chain["elsewhere"] = {"coins": sorted(self._unspent()), "amount": 0, "serial": -1, "to": []}

    @property
    def effects(self) -> list[str]:
        """The payments that exist."""
        return [txid for txid in [*self.mempool, *self.chain] if txid != "elsewhere"]

    def _unspent(self) -> set[str]:
        return set(self.coins) - _spent(self.chain) - _spent(self.mempool)

    def __getattr__(self, name: str) -> Any:
        raise codes.of_rpc(name, -32601)


def schedules(run: Callable[[Schedule], World], *, faults: int, at_most: int) -> Iterator[tuple[Schedule, World]]:
    """Every schedule of up to so many faults that is reached, fewest faults first; each with the world it ran in."""
    level: list[dict[int, str]] = [{}]
    ran = 0
    for depth in range(faults + 1):
        following: list[dict[int, str]] = []
        for schedule in level:
            if ran == at_most:
                return
            world = run(schedule)
            ran += 1
            yield schedule, world
            if depth < faults:
                first = max(schedule, default=-1) + 1
                following += [
                    schedule | {index: kind}
                    for index, (_, kinds) in enumerate(world.calls[first:], first)
                    for kind in kinds
                ]
        level = following if depth + 1 < faults else following[:: max(1, len(following) // max(1, at_most - ran))]


def _spent(transactions: Mapping[str, Mapping[str, Any]]) -> set[str]:
    return {coin for one in transactions.values() for coin in one["coins"]}


def _body(raw: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(bytes.fromhex(raw))
    return body


def _txid(raw: str) -> str:
    return "a" + hashlib.sha256(raw.encode()).hexdigest()[1:]


def _store_lost() -> Exception:
    return Unavailable("The store did not answer.", next_step="Repeat.", code="test/store")


def _condition() -> Exception:
    return Conflict("A condition does not hold.", next_step="Read again.", code="test/condition")
