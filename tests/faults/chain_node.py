"""A node as far as followers can tell it from a real one: blocks, reorganisations, a mempool, wallets that watch.

A transaction spends outputs and pays scripts. What conflicts with what is in a block and was only received by a wallet
is in no list of it, as in Bitcoin Core.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from functions.bitcoin.follow_watches import follow_watches
from functions.bitcoin.watch import watch
from isthmus import journal, wiring
from isthmus.access.caller import Caller
from isthmus.bitcoin import codes
from isthmus.bitcoin.addresses import Decoded, decode
from isthmus.journal import Event
from isthmus.ports import BitcoinNode, Clock, Table
from tests.faults.calls import SmallWorld, small_world
from tests.faults.world import NODE_READ_FAULTS, SEND_FAULTS, World

CHANGING = frozenset({"createwallet", "importdescriptors", "loadwallet"})


@dataclass(frozen=True)
class Payment:
    """A transaction."""

    txid: str
    spends: tuple[tuple[str, int], ...]
    pays: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Block:
    """A block and the one before."""

    block_hash: str
    previous: str
    height: int
    txids: tuple[str, ...]


@dataclass
class ChainNode:
    """The node.

    Args:
        world: which may break every call.
        indexed: whether it finds every mined transaction.
        loaded: whether the mempool is read again after a start.
        pruned: below which height it has no blocks any more.
        busy: how often an import is refused because of another one.
        slow: how often an import takes longer than the caller waits.
        scanning: for how many seconds a wallet looks through the chain.
        up_s: since when the node runs.
    """

    world: World
    indexed: bool = False
    loaded: bool = True
    pruned: int = 0
    busy: int = 0
    slow: int = 0
    scanning: int = 0
    up_s: int = 1_000_000
    blocks: dict[str, Block] = field(default_factory=dict)
    active: list[str] = field(default_factory=list)
    known: dict[str, Payment] = field(default_factory=dict)
    mempool: list[str] = field(default_factory=list)
    wallets: dict[str, dict[str, Any]] = field(default_factory=dict)
    imports: list[list[dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mine(110)

    # what happens on the network

    def send(self, name: str, pays: Sequence[tuple[str, int]] = (), spends: Sequence[tuple[str, int]] = ()) -> str:
        """A transaction waits, in the place of those that spend the same."""
        txid = hashlib.sha256(name.encode()).hexdigest()
        made = Payment(txid, tuple(spends) or ((txid, 9),), tuple((_script(one), sat) for one, sat in pays))
        self.known[txid] = made
        self.mempool = [one for one in self.mempool if not set(self.known[one].spends) & set(made.spends)] + [txid]
        return txid

    def mine(self, blocks: int = 1, *, only: Sequence[str] | None = None) -> str:
        """Blocks on the tip, the first with what waits or with these only; its hash."""
        first = ""
        for _ in range(blocks):
            txids = tuple(self.mempool if only is None or first else only)
            previous = self.active[-1] if self.active else "0" * 64
            content = f"{previous}/{txids}/{len(self.blocks)}"
            made = Block(hashlib.sha256(content.encode()).hexdigest(), previous, len(self.active), txids)
            self.blocks[made.block_hash] = made
            self.active.append(made.block_hash)
            spent = {one for txid in txids for one in self.known[txid].spends}
            self.mempool = [one for one in self.mempool if one not in txids and not set(self.known[one].spends) & spent]
            first = first or made.block_hash
        return first

    def undo(self, blocks: int) -> None:
        """The last blocks leave the chain; what was in them waits again."""
        gone = [self.blocks[one] for one in self.active[-blocks:]]
        self.active = self.active[:-blocks]
        self.mempool = [txid for block in gone for txid in block.txids] + self.mempool

    # what it is asked

    def call(self, method: str, *params: Any, deadline_s: float = 20.0, wallet: str = "") -> Any:
        def lost() -> Exception:
            return codes.of_transport(method, "timeout", sent=True)

        if wallet and wallet not in self.wallets:
            raise codes.of_rpc(method, -18)
        given = (wallet, *params) if wallet else params
        kinds = SEND_FAULTS if method in CHANGING else NODE_READ_FAULTS
        return self.world.around(method, kinds, lost, lambda: getattr(self, method)(*given))

    def getblockchaininfo(self) -> Any:
        return {"chain": "regtest", "blocks": len(self.active) - 1, "bestblockhash": self.active[-1]}

    def getbestblockhash(self) -> Any:
        return self.active[-1]

    def getblockhash(self, height: int) -> Any:
        if height >= len(self.active):
            raise codes.of_rpc("getblockhash", -8)
        return self.active[height]

    def getblockheader(self, block_hash: str) -> Any:
        block = self._block("getblockheader", block_hash)
        depth = len(self.active) - block.height if block_hash in self.active else -1
        before = {"previousblockhash": block.previous} if block.height else {}
        return {"hash": block_hash, "height": block.height, "confirmations": depth, "time": block.height * 600} | before

    def getblock(self, block_hash: str, verbosity: int) -> Any:
        block = self._block("getblock", block_hash)
        if block.height < self.pruned:
            raise codes.failure(codes.PRUNED, -1)
        return {"hash": block_hash, "tx": list(block.txids)}

    def getmempoolinfo(self) -> Any:
        sizes = dict.fromkeys(("size", "bytes", "usage", "maxmempool"), 0)
        return {"loaded": self.loaded, **sizes, "mempoolminfee": Decimal(0), "minrelaytxfee": Decimal(0)}

    def getmempoolentry(self, txid: str) -> Any:
        if not self.loaded or txid not in self.mempool:
            raise codes.of_rpc("getmempoolentry", -5)
        return {"vsize": 100, "fees": {"base": Decimal("0.00001")}}

    def getrawmempool(self) -> Any:
        return self.mempool if self.loaded else []

    def getrawtransaction(self, txid: str, verbosity: int, block_hash: str | None = None) -> Any:
        found = self._found(txid) if block_hash is None else self.blocks.get(block_hash)
        if found is not None and txid in found.txids and (self.indexed or block_hash is not None):
            return {"txid": txid, "vin": [], "vout": [], "vsize": 100, "blockhash": found.block_hash}
        if block_hash is not None or not self.loaded or txid not in self.mempool:
            raise codes.of_rpc("getrawtransaction", -5)
        return {"txid": txid, "vin": [], "vout": [], "vsize": 100}

    def validateaddress(self, address: str) -> Any:
        decoded = decode(address)
        valid = isinstance(decoded, Decoded) and "regtest" in decoded.networks
        return {"isvalid": valid} | ({"scriptPubKey": _script(address)} if valid else {})

    def getdescriptorinfo(self, descriptor: str) -> Any:
        if not descriptor.startswith(("addr(", "raw(", "wpkh(")) or "#wrong" in descriptor:
            raise codes.of_rpc("getdescriptorinfo", -5)
        told = {"descriptor": descriptor + "#checksum", "isrange": "*" in descriptor}
        return told | {"hasprivatekeys": "tprv" in descriptor}

    def uptime(self) -> Any:
        return self.up_s

    # its wallets

    def listwalletdir(self) -> Any:
        return {"wallets": [{"name": name} for name in self.wallets]}

    def createwallet(self, name: str, *_: Any) -> Any:
        self.wallets.setdefault(name, {})
        return {"name": name}

    def getwalletinfo(self, wallet: str) -> Any:
        scanning = {"duration": self.scanning, "progress": Decimal("0.1")} if self.scanning else False
        return {"private_keys_enabled": False, "scanning": scanning}

    def listdescriptors(self, wallet: str) -> Any:
        return {"descriptors": [{"desc": one} | told for one, told in self.wallets[wallet].items()]}

    def importdescriptors(self, wallet: str, asked: list[dict[str, Any]]) -> Any:
        if self.busy:
            self.busy -= 1
            raise codes.of_rpc("importdescriptors", -4)
        self.imports.append(asked)
        for one in asked:
            if not one["desc"].startswith("wpkh(refused"):
                self.wallets[wallet][one["desc"]] = {"range": one["range"]} if "range" in one else {}
        if self.slow:
            self.slow -= 1
            raise codes.of_transport("importdescriptors", "timeout", sent=True)
        return [{"success": not one["desc"].startswith("wpkh(refused")} for one in asked]

    def gettransaction(self, wallet: str, txid: str, *_: Any) -> Any:
        if txid not in self.known or not self._touches(wallet, self.known[txid]):
            raise codes.of_rpc("gettransaction", -5)
        vin = [{"txid": before, "vout": vout} for before, vout in self.known[txid].spends]
        return self._place(txid) | {"decoded": {"vin": vin}}

    def listsinceblock(self, wallet: str, block: str, target: int, *_: Any) -> Any:
        if block and block not in self.blocks:
            raise codes.of_rpc("listsinceblock", -5)
        since = self.blocks[block].height if block else -1
        listed = [
            entry
            for one in self.known.values()
            for entry in self._entries(wallet, one)
            if entry["confirmations"] < 1 or entry["blockheight"] > since
        ]
        last = self.active[max(0, len(self.active) - target)]
        return {"transactions": listed, "removed": [], "lastblock": last}

    def _entries(self, wallet: str, one: Payment) -> Iterator[dict[str, Any]]:
        place, spends = self._place(one.txid), self._spends(wallet, one)
        for vout, (script, sat) in enumerate(one.pays):
            amount = Decimal(sat) / 100_000_000
            if spends:
                yield place | {"category": "send", "vout": vout, "amount": -amount}
            if (of := self._of(wallet, script)) and place["confirmations"] >= 0:
                yield place | {
                    "category": "receive",
                    "vout": vout,
                    "amount": amount,
                    "parent_descs": of,
                    "address": script,
                }

    def _place(self, txid: str) -> dict[str, Any]:
        block = self._found(txid)
        if block is not None:
            depth = len(self.active) - block.height
            where = {"blockhash": block.block_hash, "blockheight": block.height}
            return {"txid": txid, "confirmations": depth, **where}
        spends = set(self.known[txid].spends)
        rivals = [self._found(one.txid) for one in self.known.values() if one.txid != txid and set(one.spends) & spends]
        deepest = max((len(self.active) - one.height for one in rivals if one is not None), default=0)
        return {"txid": txid, "confirmations": -deepest}

    def _touches(self, wallet: str, one: Payment) -> bool:
        return self._spends(wallet, one) or any(self._of(wallet, script) for script, _ in one.pays)

    def _spends(self, wallet: str, one: Payment) -> bool:
        spent = [self.known[txid].pays[vout] for txid, vout in one.spends if txid in self.known and vout != 9]
        return any(self._of(wallet, script) for script, _ in spent)

    def _of(self, wallet: str, script: str) -> list[str]:
        return [one for one in self.wallets[wallet] if _describes(one, script)]

    def _found(self, txid: str) -> Block | None:
        return next((self.blocks[one] for one in self.active if txid in self.blocks[one].txids), None)

    def _block(self, method: str, block_hash: str) -> Block:
        if block_hash not in self.blocks:
            raise codes.of_rpc(method, -5)
        return self.blocks[block_hash]


class Watching(SmallWorld):
    """The small world with that node, and what is told of watches."""

    node: ChainNode  # type: ignore[assignment]

    def made(self, caller: Caller | None = None, **wanted: Any) -> dict[str, Any]:
        """A watch."""
        status, body, _ = self.call(watch, wanted, caller=caller)
        assert status == 201, body
        return body

    def watch(self, **wanted: Any) -> str:
        """The id of a watch."""
        return str(self.made(**wanted)["watch_id"])

    def look(self) -> int:
        """How many events a run of the schedule makes."""
        self.ms += 60_000
        return int(follow_watches({"source": "aws.scheduler", "resources": ["r"], "detail": {}}, None)["events"])

    def history(self, watch_id: str, txid: str, tenant: str = "main") -> list[Event]:
        """What a watch was told of a transaction."""
        name = f"bitcoin/transaction/{tenant}/{watch_id}/{txid}"
        found = journal.history(self.table, name)
        if found:
            journal.verify(self.table, name)
        return found

    def events(self, watch_id: str, txid: str, tenant: str = "main") -> list[str]:
        """The same in short."""
        return [one.type for one in self.history(watch_id, txid, tenant)]


@contextmanager
def watching(world: World | None = None) -> Iterator[Watching]:
    """The small world with that node."""
    with small_world():
        made = Watching(world=world or World({}, calm=True))
        made.node = ChainNode(made.world)
        with wiring.replaced({BitcoinNode: made.node, Table: made.table, Clock: made}):
            yield made


def _script(paid: str) -> str:
    decoded = decode(paid)
    return decoded.script_pubkey.hex() if isinstance(decoded, Decoded) else paid


def _describes(descriptor: str, script: str) -> bool:
    kind, _, rest = descriptor.partition("#")[0].partition("(")
    inner = rest.removesuffix(")")
    if kind == "wpkh":
        return script.startswith(inner.removesuffix("*")) if "*" in inner else script == inner
    return script == _script(inner)
