"""Following wallets: what becomes of every transaction that pays them or that they pay, through every reorganisation.

Each transaction of a wallet is an aggregate, `bitcoin/transaction/<tenant>/<wallet>/<txid>`. What is tied to a block
carries the block's hash; when the block leaves the chain an event takes it back before another says what is so now.
Source: Bitcoin Core's `listsinceblock`: asked for the blocks after one that lies TRAIL deep, so that every
reorganisation up to that depth is seen again and again until it is settled.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from isthmus import journal
from isthmus.bitcoin.amounts import sat_from_btc
from isthmus.bitcoin.views import undocumented, whole
from isthmus.bitcoin.wallets import wallet_call
from isthmus.failure import Conflict, Failure, Upstream
from isthmus.journal import START, Head, Lifecycle
from isthmus.ports import BitcoinNode
from isthmus.storage.table import Absent, Item, Table, version

SETTLED_AT = 6
"""Confirmations after which a transaction counts as settled."""

TRAIL = 100
"""Blocks that are looked at again each time."""

FOLLOWING = "bitcoin/following"
BY = "bitcoin.follow_wallets"
_NO_SUCH_BLOCK = -5

TRANSACTION = Lifecycle(
    "transaction",
    {
        (START, "seen"): "waiting",
        (START, "confirmed"): "confirmed",
        (START, "conflicted"): "conflicted",
        ("waiting", "confirmed"): "confirmed",
        ("waiting", "conflicted"): "conflicted",
        ("waiting", "dropped"): "dropped",
        ("dropped", "seen"): "waiting",
        ("dropped", "confirmed"): "confirmed",
        ("dropped", "conflicted"): "conflicted",
        ("confirmed", "settled"): "settled",
        ("confirmed", "reorged"): "reorged",
        ("settled", "reorged"): "reorged",
        ("reorged", "seen"): "waiting",
        ("reorged", "confirmed"): "confirmed",
        ("reorged", "conflicted"): "conflicted",
        ("reorged", "dropped"): "dropped",
        ("conflicted", "seen"): "waiting",
        ("conflicted", "confirmed"): "confirmed",
        ("conflicted", "dropped"): "dropped",
    },
)


@dataclass(frozen=True)
class Sighting:
    """A transaction as the wallet knows it now; `net_sat` is what the wallet has more by it, or less."""

    txid: str
    confirmations: int
    block_hash: str
    height: int
    net_sat: int
    fee_sat: int
    addresses: tuple[str, ...]
    abandoned: bool


def follow(table: Table, node: BitcoinNode, tenant: str, name: str, wallet: str, now_ms: int) -> int:
    """Bring the aggregates of one wallet up to date; how many events that made.

    Raises:
        Unavailable: the node or the store does not answer; what is done stays, and the rest is done next time.
    """
    mark = table.get(FOLLOWING, wallet)
    sightings, last = _since(node, wallet, mark["block"] if mark else "")
    happened = sum(_observe(table, tenant, name, one, now_ms) for one in sightings)
    number = mark["version"] if mark else 0
    if mark is None or mark["block"] != last:
        when = Absent() if mark is None else version(number)
        table.put(FOLLOWING, wallet, {"block": last, "version": number + 1}, when=when)
    return happened


def aggregate(tenant: str, wallet: str, txid: str) -> str:
    """The name of a wallet's transaction in the journal."""
    return f"bitcoin/transaction/{tenant}/{wallet}/{txid}"


def events(head: Head, seen: Sighting) -> Iterator[tuple[str, Item]]:
    """What has happened to a transaction since its head was written, in order."""
    tied = head.state in ("confirmed", "settled")
    left = tied and (seen.confirmations < 1 or seen.block_hash != head.data["block_hash"])
    if left:
        yield "reorged", {"left_block_hash": head.data["block_hash"], "block_hash": "", "height": 0}
    state = "reorged" if left else head.state
    if seen.confirmations >= 1:
        if left or not tied:
            yield "confirmed", _told(seen) | {"block_hash": seen.block_hash, "height": seen.height}
            state = "confirmed"
        if state == "confirmed" and seen.confirmations >= SETTLED_AT:
            yield "settled", {"confirmations": seen.confirmations}
    elif seen.confirmations < 0:
        if state != "conflicted":
            yield "conflicted", _told(seen)
    elif seen.abandoned:
        if state not in ("dropped", START):
            yield "dropped", {}
    elif state != "waiting":
        yield "seen", _told(seen)


def _observe(table: Table, tenant: str, wallet: str, seen: Sighting, now_ms: int) -> int:
    head = journal.load(table, aggregate(tenant, wallet, seen.txid))
    head = head or journal.fresh(aggregate(tenant, wallet, seen.txid))
    happened = 0
    for event, data in events(head, seen):
        own = {"tenant": tenant, "wallet": wallet, "txid": seen.txid} if head.version == 0 else {}
        try:
            head = journal.apply(table, journal.draft(TRANSACTION, head, event, own | data, now_ms=now_ms, by=BY))
        except Conflict:  # another run of the schedule is at it
            return happened
        happened += 1
    return happened


def _since(node: BitcoinNode, wallet: str, block: str) -> tuple[list[Sighting], str]:
    """The wallet's transactions after a block, and the block to ask after next time."""
    try:
        reply = wallet_call(node, wallet, "listsinceblock", block, TRAIL, True, True)
    except Failure as failure:
        if not block or failure.upstream != Upstream("bitcoin", _NO_SUCH_BLOCK):
            raise
        reply = wallet_call(node, wallet, "listsinceblock", "", TRAIL, True, True)  # another chain than last time
    if not isinstance(reply, dict) or not isinstance(reply.get("transactions"), list):
        raise undocumented()
    entries: dict[str, list[Mapping[str, Any]]] = {}
    for entry in [*reply["transactions"], *_only_removed(reply)]:
        entries.setdefault(str(entry["txid"]), []).append(entry)
    return [_sighting(txid, parts) for txid, parts in entries.items()], str(reply["lastblock"])


def _only_removed(reply: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What was in a block that left the chain, and is in no list of what is there."""
    there = {one["txid"] for one in reply["transactions"]}
    return [one for one in reply.get("removed", []) if one["txid"] not in there]


def _sighting(txid: str, parts: list[Mapping[str, Any]]) -> Sighting:
    """A transaction from its entries: one for each output that the wallet sent or received."""
    first = parts[0]
    try:
        fees = [sat_from_btc(one["fee"]) for one in parts if one.get("category") == "send"]
        net = sum(sat_from_btc(one["amount"]) for one in parts) + (fees[0] if fees else 0)
        return Sighting(
            txid=txid,
            confirmations=int(first["confirmations"]),
            block_hash=str(first.get("blockhash", "")),
            height=whole(first.get("blockheight", 0)),
            net_sat=net,
            fee_sat=-fees[0] if fees else 0,
            addresses=tuple(sorted({str(one["address"]) for one in parts if "address" in one})),
            abandoned=first.get("abandoned") is True,
        )
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None


def _told(seen: Sighting) -> Item:
    return {"net_sat": seen.net_sat, "fee_sat": seen.fee_sat, "addresses": list(seen.addresses)}
