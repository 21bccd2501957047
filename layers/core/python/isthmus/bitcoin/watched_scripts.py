"""Watched addresses and descriptors: the transactions of the node's wallet behind a tenant's watches, by watch.

    bitcoin/coins/<tenant>    <txid>    coins: what the transaction pays to which descriptors, by output

The wallet says of each output to which of its descriptors it belongs (`parent_descs`), also where a script has no
address, but of what is spent it says nothing: so what is paid is kept, and what spends it is known by it.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from isthmus.bitcoin.amounts import sat_from_btc
from isthmus.bitcoin.descriptors import plain
from isthmus.bitcoin.following import TRAIL, Sighting, Turn, aggregate, begin, observe
from isthmus.bitcoin.listing import Entry, Listing, listing
from isthmus.bitcoin.views import undocumented
from isthmus.bitcoin.wallets import wallet_call
from isthmus.bitcoin.watched_txids import BY, own
from isthmus.bitcoin.watches import Watch, every
from isthmus.ports import BitcoinNode
from isthmus.storage.table import Item, Put, Table

MAX_COINS = 5_000
"""Outputs of one transaction to watched scripts that are kept: what spends others of it is not known by them."""

MAX_ADDRESSES = 100
"""In one event."""

Coins = dict[str, tuple[int, list[str]]]
"""By output: satoshi, and the descriptors that it belongs to, by name."""


@dataclass
class _Share:
    """What a transaction is to one watch."""

    net_sat: int = 0
    addresses: set[str] = field(default_factory=set)

    @property
    def told(self) -> Item:
        return {"net_sat": self.net_sat, "addresses": sorted(self.addresses)[:MAX_ADDRESSES]}


@dataclass(frozen=True)
class _Look:
    """What one run knows.

    Args:
        listing: the wallet's transactions.
        watches: by the names of descriptors.
    """

    table: Table
    node: BitcoinNode
    tenant: str
    listing: Listing
    watches: Mapping[str, Sequence[Watch]]


def follow(table: Table, node: BitcoinNode, tenant: str, wallet: str, now_ms: int, more: Callable[[], bool]) -> int:
    """Bring the aggregates of a tenant's watched scripts up to date; how many events that made.

    Raises:
        Unavailable: the node or the store does not answer; what is done stays, and the rest is done next time.
        Conflict: another run has begun meanwhile, and does it.
    """
    turn = begin(table, wallet, now_ms, BY)
    by_descriptor, readers = _watches(table, tenant)
    found = listing(turn, node, wallet, readers, change=True)
    look, block = _Look(table, node, tenant, found, by_descriptor), found.block
    for place, seen in enumerate(found.news):
        if not more():
            block = _done(found.news[:place], seen) or turn.block
            break
        _tell(turn, look, seen)
        found.note(turn, seen)
    turn.end(block)
    return turn.events


def _watches(table: Table, tenant: str) -> tuple[dict[str, list[Watch]], str]:
    """The watches by the names of descriptors, and what stands for all of them together."""
    found: dict[str, list[Watch]] = {}
    listed = list(every(table, tenant))
    for watch in listed:
        for descriptor in watch.descriptors:
            found.setdefault(_name(descriptor), []).append(watch)
    content = json.dumps([(one.watch_id, one.version) for one in listed if one.descriptors])
    return found, hashlib.sha256(content.encode()).hexdigest()[:32]


def _done(told: Sequence[Sighting], next_one: Sighting) -> str:
    """The last block that needs no second look and whose transactions were all told; empty if there is none."""
    deeper = max(TRAIL, next_one.confirmations)
    return next((one.block_hash for one in reversed(told) if one.confirmations > deeper), "")


def _tell(turn: Turn, look: _Look, seen: Sighting) -> None:
    """Write down what has happened to a transaction for each watch that it touches."""
    row = look.table.get(_partition(look.tenant), seen.txid)
    coins = _coins(look, seen.txid, row)
    kept: Item = {"coins": {vout: list(coin) for vout, coin in list(coins.items())[:MAX_COINS]}}
    if coins and kept != row:
        look.table.transact([turn.lasts, Put(_partition(look.tenant), seen.txid, kept)])
    look.listing.keep(turn, seen)
    for watch, share in _shares(look, seen.txid, coins):
        name = aggregate(look.tenant, watch.watch_id, seen.txid)
        known = share.told if seen.confirmations >= 0 else {}  # of what conflicts the wallet does not say all
        observe(
            turn, name, own(look.tenant, watch.watch_id, seen.txid), replace(seen, told=known), guard=[watch.stands]
        )


def _shares(look: _Look, txid: str, coins: Coins) -> list[tuple[Watch, _Share]]:
    """The watches that a transaction touches, by what it pays and by what it spends."""
    entries = look.listing.entries.get(txid, ())
    found: dict[str, tuple[Watch, _Share]] = {}
    addresses = {str(one["vout"]): {str(one["address"])} for one in _received(entries) if "address" in one}
    for vout, (sat, names) in coins.items():
        for share in _of(look, names, found):
            share.net_sat += sat
            share.addresses |= addresses.get(vout, set())
    if any(one.get("category") == "send" for one in entries):
        for sat, names in _spent(look, txid):
            for share in _of(look, names, found):
                share.net_sat -= sat
    return list(found.values())


def _of(look: _Look, names: Sequence[str], found: dict[str, tuple[Watch, _Share]]) -> list[_Share]:
    """The shares of the watches of descriptors, each once."""
    watches = {one.watch_id: one for name in names for one in look.watches.get(name, ())}
    return [found.setdefault(one.watch_id, (one, _Share()))[1] for one in watches.values()]


def _spent(look: _Look, txid: str) -> Iterator[tuple[int, list[str]]]:
    """The watched coins that a transaction spends."""
    reply = wallet_call(look.node, look.listing.wallet, "gettransaction", txid, True, True)
    try:
        inputs = [(str(one["txid"]), str(one["vout"])) for one in reply["decoded"]["vin"] if "txid" in one]
    except (LookupError, TypeError):
        raise undocumented() from None
    kept = {one: _coins(look, one, look.table.get(_partition(look.tenant), one)) for one in {one for one, _ in inputs}}
    for before, vout in inputs:
        if vout in kept[before]:
            yield kept[before][vout]


def _coins(look: _Look, txid: str, row: Item | None) -> Coins:
    """What a transaction pays to which descriptors, as was kept and as it is listed."""
    kept = {} if row is None else {vout: (sat, names) for vout, (sat, names) in row["coins"].items()}
    try:
        return kept | {
            str(one["vout"]): (sat_from_btc(one["amount"]), sorted(_name(each) for each in one.get("parent_descs", ())))
            for one in _received(look.listing.entries.get(txid, ()))
        }
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None


def _received(entries: Sequence[Entry]) -> list[Entry]:
    return [one for one in entries if one.get("category") != "send"]


def _name(descriptor: str) -> str:
    """A descriptor in few letters."""
    return hashlib.sha256(plain(descriptor).encode()).hexdigest()[:16]


def _partition(tenant: str) -> str:
    return f"bitcoin/coins/{tenant}"
