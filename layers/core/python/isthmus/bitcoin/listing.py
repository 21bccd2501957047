"""The transactions of one wallet of the node, as far as there is news of them.

    bitcoin/live/<wallet>    <txid>    a transaction that is not buried: `told`, of which sighting everything was told

Sources: Bitcoin Core's `listsinceblock`, asked for the blocks after one that lies TRAIL deep, so that every
reorganisation up to that depth is seen again and again until it is settled. It says nothing of what was only received
and conflicts with what is in a block now: that is known by being missing, and asked for one by one.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from isthmus.bitcoin import mempool
from isthmus.bitcoin.amounts import sat_from_btc
from isthmus.bitcoin.chain import still, tip
from isthmus.bitcoin.following import SETTLED_AT, TRAIL, Sighting, Turn, aggregate, begin, observe
from isthmus.bitcoin.views import undocumented, whole
from isthmus.bitcoin.wallets import wallet_call
from isthmus.failure import Failure, NotFound, Upstream
from isthmus.ports import BitcoinNode
from isthmus.storage.table import MAX_PAGE, Delete, Item, Put, Table, Write

_NO_SUCH_BLOCK = -5

Entry = Mapping[str, Any]
"""One output that a transaction sends or receives."""


@dataclass(frozen=True)
class Listing:
    """What the node says of a wallet's transactions.

    Args:
        wallet: the node's name of it.
        entries: of each transaction that the node lists.
        news: where transactions are of which that was not told yet, the oldest first.
        block: what to ask after next time.
        live: what was told of those that are not buried.
        readers: stands for those who are told.
    """

    wallet: str
    entries: Mapping[str, Sequence[Entry]]
    news: Sequence[Sighting]
    block: str
    live: Mapping[str, str]
    readers: str

    def keep(self, turn: Turn, seen: Sighting) -> None:
        """Something is told of a transaction: what becomes of it is asked for, though it may be listed no more."""
        if seen.txid not in self.live and not _is_buried(seen):
            turn.table.put(_live(self.wallet), seen.txid, {"told": ""})

    def note(self, turn: Turn, seen: Sighting) -> None:
        """Everything of a sighting was told; nothing more is asked of what is buried.

        Raises:
            Conflict: another run has begun.
        """
        kept: Write = Put(_live(self.wallet), seen.txid, {"told": _digest(seen, self.readers)})
        turn.table.transact([turn.lasts, Delete(kept.pk, kept.sk) if _is_buried(seen) else kept])


def follow(table: Table, node: BitcoinNode, tenant: str, name: str, wallet: str, now_ms: int) -> int:
    """Bring the aggregates of one wallet up to date; how many events that made.

    Raises:
        Unavailable: the node or the store does not answer; what is done stays, and the rest is done next time.
        Conflict: another run has begun meanwhile, and does it.
    """
    turn = begin(table, wallet, now_ms, "bitcoin.follow_wallets")
    found = listing(turn, node, wallet)
    for seen in found.news:
        own = {"tenant": tenant, "wallet": name, "txid": seen.txid}
        told = _told(found.entries[seen.txid]) if seen.txid in found.entries else {}
        found.keep(turn, seen)
        observe(turn, aggregate(tenant, name, seen.txid), own, replace(seen, told=told))
        found.note(turn, seen)
    turn.end(found.block)
    return turn.events


def listing(turn: Turn, node: BitcoinNode, wallet: str, readers: str = "", *, change: bool = False) -> Listing:
    """A wallet's transactions since the last run, without those that may have moved while they were looked for.

    Args:
        turn: of this run.
        node: the node.
        wallet: its name of the wallet.
        readers: stands for those who are told: when it changes, what is not buried is news to somebody.
        change: whether what comes back to the wallet is among the entries.
    """
    last, live = tip(node), _all_live(turn.table, wallet)
    entries, block = _since(node, wallet, turn.block, change=change)
    found = [_sighting(txid, parts[0]) for txid, parts in entries.items()]
    found += [seen for txid in sorted(live.keys() - entries.keys()) if (seen := _asked(node, wallet, txid)) is not None]
    loose = {one.txid for one in found if one.confirmations == 0 and not one.abandoned}
    lost = loose - mempool.waiting(node, loose)
    certain = bool(lost) and still(node, last)
    known = [replace(one, abandoned=one.abandoned or one.txid in lost) for one in found]
    kept = [one for one in known if certain or one.txid not in lost]
    news = [one for one in kept if _is_buried(one) or live.get(one.txid) != _digest(one, readers)]
    return Listing(wallet, entries, sorted(news, key=lambda one: -one.confirmations), block, live, readers)


def _since(node: BitcoinNode, wallet: str, block: str, *, change: bool) -> tuple[dict[str, list[Entry]], str]:
    """The wallet's transactions after a block, each with its entries, and the block to ask after next time."""
    try:
        reply = wallet_call(node, wallet, "listsinceblock", block, TRAIL, True, True, change)
    except Failure as failure:
        if not block or failure.upstream != Upstream("bitcoin", _NO_SUCH_BLOCK):
            raise
        reply = wallet_call(node, wallet, "listsinceblock", "", TRAIL, True, True, change)  # of another chain
    entries: dict[str, list[Entry]] = {}
    try:
        there = {str(one["txid"]) for one in reply["transactions"]}
        removed = [one for one in reply.get("removed", []) if one["txid"] not in there]
        for entry in [*reply["transactions"], *removed]:
            entries.setdefault(str(entry["txid"]), []).append(entry)
        return entries, str(reply["lastblock"])
    except (LookupError, TypeError, AttributeError):
        raise undocumented() from None


def _asked(node: BitcoinNode, wallet: str, txid: str) -> Sighting | None:
    """A transaction that is not listed, or nothing if the wallet is another one by now."""
    try:
        return _sighting(txid, wallet_call(node, wallet, "gettransaction", txid, True))
    except NotFound:
        return None


def _sighting(txid: str, said: Entry) -> Sighting:
    """A transaction as one of its entries says it is, or an answer about it."""
    try:
        return Sighting(
            txid=txid,
            confirmations=int(said["confirmations"]),
            block_hash=str(said.get("blockhash", "")),
            height=whole(said.get("blockheight", 0)),
            abandoned=said.get("abandoned") is True,
            told={},
        )
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None


def _told(entries: Sequence[Entry]) -> Item:
    """What the wallet has more by a transaction, or less, and the addresses in it."""
    try:
        fees = [sat_from_btc(one["fee"]) for one in entries if one.get("category") == "send"]
        net = sum(sat_from_btc(one["amount"]) for one in entries) + (fees[0] if fees else 0)
        addresses = sorted({str(one["address"]) for one in entries if "address" in one})
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None
    return {"net_sat": net, "fee_sat": -fees[0] if fees else 0, "addresses": addresses}


def _all_live(table: Table, wallet: str) -> dict[str, str]:
    found: dict[str, str] = {}
    after: str | None = None
    while True:
        page = table.query(_live(wallet), after=after, limit=MAX_PAGE)
        found |= {row.sk: str(row.item["told"]) for row in page.rows}
        after = page.after
        if after is None:
            return found


def _is_buried(seen: Sighting) -> bool:
    return abs(seen.confirmations) > TRAIL


def _digest(seen: Sighting, readers: str) -> str:
    """Stands for all that can be told of a sighting, and to whom."""
    depth = max(-1, min(seen.confirmations, 1 if seen.confirmations < SETTLED_AT else SETTLED_AT))
    content = json.dumps([seen.block_hash, depth, seen.abandoned, readers])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _live(wallet: str) -> str:
    return f"bitcoin/live/{wallet}"
