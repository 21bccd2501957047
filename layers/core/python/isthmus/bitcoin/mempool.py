"""What waits in the mempool: feerates weighted by size, and the feerate that a block still takes."""

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from isthmus.bitcoin.amounts import SatFromBtc
from isthmus.bitcoin.views import hash_text, read, undocumented
from isthmus.failure import NotFound
from isthmus.ports import BitcoinNode

MAX_WHOLE = 20_000
"""Transactions: up to here every one is read, which takes the node and us about a second together."""

MAX_ASKED = 500
"""Transactions: more than these are looked for in a list of all that waits."""

SAMPLE = 1_000
"""Transactions read one by one, chosen at random, from a mempool that is larger."""

BLOCK_VSIZE = 998_000
"""Virtual bytes that a block has for transactions: 4,000,000 weight (BIP 141) less 8,000 for header and coinbase."""

PERCENTILES = (5, 10, 25, 50, 75, 90, 95)
BOUNDS_SAT_PER_KVB = (0, 100, 500, 1_000, 2_000, 3_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000)


class Waiting(NamedTuple):
    """One transaction that waits: its own feerate, without its ancestors'."""

    feerate_sat_per_kvb: int
    vsize: int
    fee_sat: int


class MempoolTotals(BaseModel):
    """`getmempoolinfo`."""

    loaded: bool = True
    size: int = Field(ge=0)
    bytes: int = Field(ge=0)
    usage: int = Field(ge=0)
    maxmempool: int = Field(ge=0)
    total_fee: SatFromBtc | None = None
    mempoolminfee: SatFromBtc
    minrelaytxfee: SatFromBtc

    @property
    def floor_sat_per_kvb(self) -> int:
        """Below this feerate the node takes nothing into its mempool."""
        return max(self.mempoolminfee, self.minrelaytxfee)


class _Fees(BaseModel):
    base: SatFromBtc


class _Entry(BaseModel):
    vsize: int = Field(gt=0)
    fees: _Fees


_ENTRIES = TypeAdapter(dict[str, _Entry])


@dataclass(frozen=True)
class Mempool:
    """The node's totals, and the transactions that were read, highest feerate first: all of them or a random sample."""

    totals: MempoolTotals
    read: Sequence[Waiting]
    sampled: bool


@dataclass(frozen=True)
class Bucket:
    """Transactions whose feerate is at least `from_` and below `to` sat per 1,000 virtual bytes."""

    from_sat_per_kvb: int
    to_sat_per_kvb: int | None
    count: int
    vsize: int
    fee_sat: int


def mempool(node: BitcoinNode) -> Mempool:
    """Read the mempool, or a sample when it has more than 20,000 transactions, so that the work is bounded.

    Raises:
        Precondition: the node keeps no mempool.
    """
    totals = read(MempoolTotals, node.call("getmempoolinfo"))
    sampled = totals.size > MAX_WHOLE
    entries = _sample(node) if sampled else _all(node)
    waiting = [Waiting(one.fees.base * 1000 // one.vsize, one.vsize, one.fees.base) for one in entries]
    return Mempool(totals, sorted(waiting, reverse=True), sampled)


def percentiles(waiting: Sequence[Waiting]) -> dict[str, int] | None:
    """Feerates below or at which that share of the virtual bytes pays, or None when nothing waits."""
    if not waiting:
        return None
    total, seen, found = sum(one.vsize for one in waiting), 0, {}
    missing = list(PERCENTILES)
    for one in sorted(waiting):
        seen += one.vsize
        while missing and seen * 100 >= total * missing[0]:
            found[f"p{missing.pop(0)}"] = one.feerate_sat_per_kvb
    return found


def histogram(waiting: Iterable[Waiting]) -> list[Bucket]:
    """Counts, virtual bytes and fees between fixed feerates."""
    uppers: list[int | None] = [*BOUNDS_SAT_PER_KVB[1:], None]
    sums = [[0, 0, 0] for _ in uppers]
    for one in waiting:
        place = sum(1 for bound in BOUNDS_SAT_PER_KVB[1:] if one.feerate_sat_per_kvb >= bound)
        for column, value in enumerate((1, one.vsize, one.fee_sat)):
            sums[place][column] += value
    return [Bucket(low, high, *row) for low, high, row in zip(BOUNDS_SAT_PER_KVB, uppers, sums, strict=True)]


def feerate_within(pool: Mempool, blocks: int) -> int:
    """The lowest feerate that the next `blocks` blocks still take if nothing else arrives, in sat per 1,000 vbytes.

    The node's floor when all that waits fits in. A sample stands for the whole in proportion to its size.
    """
    floor, room, read_vsize = pool.totals.floor_sat_per_kvb, blocks * BLOCK_VSIZE, sum(one.vsize for one in pool.read)
    if pool.totals.bytes <= room:
        return floor
    taken = 0
    for one in pool.read:
        taken += one.vsize
        if taken * pool.totals.bytes >= room * read_vsize:
            return max(floor, one.feerate_sat_per_kvb)
    return floor


def template_feerate(template: object) -> int | None:
    """The feerate at the cheapest tenth of a full projected block (`getblocktemplate`), or None when it is not full.

    The cheapest transactions themselves are often paid for by their descendants, so they say little.

    Raises:
        Unavailable: the template is not of the shape that the node documents.
    """
    try:
        rows: Sequence[Mapping[str, Any]] = template["transactions"]  # type: ignore[index]  # checked by the except
        waiting = [Waiting(one["fee"] * 4000 // one["weight"], -(-one["weight"] // 4), one["fee"]) for one in rows]
        full = sum(one["weight"] for one in rows) * 10 >= template["weightlimit"] * 9  # type: ignore[index]
    except (LookupError, TypeError, ArithmeticError):
        raise undocumented() from None
    shares = percentiles(waiting)
    return shares["p10"] if full and shares else None


def waiting(node: BitcoinNode, txids: Collection[str]) -> set[str]:
    """Which of these transactions wait."""
    if len(txids) > MAX_ASKED:
        return set(txids).intersection(_txids(node))
    return {txid for txid in txids if _waits(node, txid)}


def is_whole(node: BitcoinNode) -> bool:
    """Whether the mempool has what it had when the node was stopped, which it reads again after it began to answer."""
    return read(MempoolTotals, node.call("getmempoolinfo")).loaded


def _waits(node: BitcoinNode, txid: str) -> bool:
    try:
        read(_Entry, node.call("getmempoolentry", txid))
    except NotFound:
        return False
    return True


def _txids(node: BitcoinNode) -> list[Any]:
    txids = node.call("getrawmempool")
    if not isinstance(txids, list):
        raise undocumented()
    return txids


def _all(node: BitcoinNode) -> Iterable[_Entry]:
    try:
        return _ENTRIES.validate_python(node.call("getrawmempool", True), strict=True).values()
    except ValidationError:
        raise undocumented() from None


def _sample(node: BitcoinNode) -> Iterable[_Entry]:
    txids = _txids(node)
    chosen = random.Random().sample(txids, min(SAMPLE, len(txids)))  # noqa: S311 - statistics, not secrecy
    for txid in chosen:
        try:
            yield read(_Entry, node.call("getmempoolentry", hash_text(txid)))
        except NotFound:  # mined or replaced since
            continue
