"""What a miner takes together: a transaction that waits with all it spends from, the best paying package first.

Source: Bitcoin Core's BlockAssembler::addPackageTxs (node/miner.cpp) and MiniMiner (node/mini_miner.cpp). A parent's
own feerate says nothing when a child pays for it, and a package's says too little when another child pays for a part of
it. So the order of the miners is followed, over all that hangs together.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from isthmus.bitcoin.amounts import sat_from_btc
from isthmus.bitcoin.views import undocumented, whole
from isthmus.failure import NotFound
from isthmus.ports import BitcoinNode

MAX_CLUSTER = 200
"""Transactions that are looked at. A node's own limits on chains keep nearly all clusters far below."""

_NEW = ""


@dataclass(frozen=True)
class Entry:
    """A transaction that waits, and the txids beside it that wait too."""

    fee_sat: int
    vsize: int
    parents: frozenset[str]
    children: frozenset[str] = frozenset()


Cluster = Mapping[str, Entry]


def cluster(node: BitcoinNode, txids: Collection[str]) -> dict[str, Entry]:
    """All that hangs together with transactions of the mempool, up to one more than MAX_CLUSTER; parents first.

    Of the txids those that do not wait are left out.
    """
    found: dict[str, Entry] = {}
    ahead = list(txids)
    while ahead and len(found) <= MAX_CLUSTER:
        txid = ahead.pop()
        entry = None if txid in found else _entry(node, txid)
        if entry is not None:
            found[txid] = entry
            ahead += [*entry.children, *entry.parents]
    return found


def package(entries: Cluster, txid: str) -> frozenset[str]:
    """A transaction and all it spends from, as far as they wait."""
    found: set[str] = set()
    ahead = [txid]
    while ahead:
        one = ahead.pop()
        if one in entries and one not in found:
            found.add(one)
            ahead += entries[one].parents
    return frozenset(found)


def mined(entries: Cluster) -> Iterator[tuple[Fraction, frozenset[str]]]:
    """The packages in the order that miners take them, each with its feerate in satoshi per virtual byte."""
    left = dict(entries)
    while left:
        best = max(left, key=lambda txid: min(_feerate(left, package(left, txid)), _feerate(left, [txid])))
        taken = package(left, best)
        yield _feerate(left, taken), taken
        for txid in taken:
            del left[txid]


def mined_at(entries: Cluster, txid: str) -> int:
    """The feerate of the package that a transaction is mined in, in satoshi per 1,000 virtual bytes."""
    return next(int(rate * 1000) for rate, taken in mined(entries) if txid in taken)


def child_fee_sat(entries: Cluster, parent: str, vsize: int, feerate_sat_per_kvb: int) -> int:
    """What a child of so many virtual bytes has to pay for parent and child to be mined at a feerate.

    Ancestors that miners take at this feerate or a higher one without the child cost it nothing, and give it nothing.
    A parent below the feerate is paid for in full, however much its own ancestors pay: miners take those without it.
    """
    left = dict(entries)
    for rate, taken in mined(entries):
        if rate * 1000 < feerate_sat_per_kvb:
            break
        for txid in taken:
            del left[txid]

    def missing(paid_for: Collection[str]) -> int:
        size = vsize + sum(left[txid].vsize for txid in paid_for)
        return -(-size * feerate_sat_per_kvb // 1000) - sum(left[txid].fee_sat for txid in paid_for)

    return max(missing(package(left, parent)), missing([parent]))


def reached(node: BitcoinNode, coins: Collection[str], fee_sat: int, vsize: int, *, in_place_of: str = "") -> int:
    """The feerate at which a transaction that is not sent yet would be mined, with what it spends from.

    Args:
        node: the node.
        coins: outpoints `txid:vout` that it spends.
        fee_sat: what it pays.
        vsize: its virtual bytes.
        in_place_of: the txid of what it would replace, with all that spends from that.
    """
    entries = cluster(node, sorted({coin.partition(":")[0] for coin in coins}))
    parents = frozenset(coin.partition(":")[0] for coin in coins)
    staying = {txid: one for txid, one in entries.items() if in_place_of not in package(entries, txid)}
    return mined_at(staying | {_NEW: Entry(fee_sat, vsize, parents)}, _NEW)


def _feerate(entries: Cluster, txids: Collection[str]) -> Fraction:
    return Fraction(sum(entries[one].fee_sat for one in txids), sum(entries[one].vsize for one in txids))


def _entry(node: BitcoinNode, txid: str) -> Entry | None:
    try:
        reply: Any = node.call("getmempoolentry", txid)
    except NotFound:
        return None
    try:
        fee_sat, vsize = sat_from_btc(reply["fees"]["base"]), whole(reply["vsize"])
        return Entry(fee_sat, max(1, vsize), frozenset(reply["depends"]), frozenset(reply["spentby"]))
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None
