"""Watched transactions: looked for in the mempool and in new blocks, until they are buried.

Whoever makes a watch looks where the node can say at once where the txid is; the next run looks through the blocks that
were the last then, and every run through what is new. The watch is written on the condition that no run has begun since
it was begun, so that none has passed a block that another one takes for looked through. A txid that lies deeper than
TRAIL costs nothing more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from isthmus import journal
from isthmus.bitcoin import mempool
from isthmus.bitcoin.chain import Tip, blocks_after, header, standing, still, tip
from isthmus.bitcoin.following import TRAIL, Sighting, Turn, aggregate, begin, events, observe
from isthmus.bitcoin.transactions import transaction
from isthmus.bitcoin.wallets import wallet_call, wallets_of
from isthmus.bitcoin.watches import SOUGHT, Sought, all_sought
from isthmus.failure import FieldError, Invalid, NotFound
from isthmus.journal import Head
from isthmus.ports import BitcoinNode
from isthmus.storage.table import Item, Table, Write

WHOSE = "txids"
BY = "bitcoin.follow_watches"
MAX_BLOCKS = 100
"""Looked through in one run."""


@dataclass
class _Look:
    """What one run asks the node.

    Args:
        last: the tip when it began.
        blocks: where sought txids are, by what was new.
        depths: confirmations of blocks that were asked for; below 1 if one is not in the chain.
        reached: the last block that was looked through.
    """

    node: BitcoinNode
    last: Tip
    blocks: dict[str, tuple[str, int]] = field(default_factory=dict)
    depths: dict[str, int] = field(default_factory=dict)
    reached: str = ""


def follow(table: Table, node: BitcoinNode, now_ms: int, more: Callable[[], bool]) -> int:
    """Bring the aggregates of all watched txids up to date; how many events that made.

    Raises:
        Unavailable: the node or the store does not answer; what is done stays, and the rest is done next time.
        Conflict: another run has begun meanwhile, and does it.
    """
    if not table.query(SOUGHT, limit=1).rows:
        return 0
    turn = begin(table, WHOSE, now_ms, BY)
    sought, look = list(all_sought(table)), _Look(node, tip(node))
    fresh = [one for one in sought if one.since >= turn.before]
    starts = {one.after for one in fresh} | ({turn.block} if len(fresh) < len(sought) else set())
    _look_through(look, starts, {one.txid for one in sought}, more)
    for one, seen in _sighted(look, sought):
        if seen is not None:
            _bring(turn, one, seen)
    turn.end(look.reached, anyway=bool(fresh))
    return turn.events


def first_sighting(node: BitcoinNode, tenant: str, txid: str, block_hash: str | None) -> Sighting | None:
    """Where a transaction is, as far as the node can say without looking through its blocks.

    Raises:
        Invalid: the block that is named is none of the node's, or the transaction is not in it.
        Precondition: the node has pruned that block.
    """
    try:
        reply = transaction(node, txid, block_hash)
    except NotFound:
        if block_hash is not None:
            raise _not_there() from None
        reply = _in_wallets(node, tenant, txid)
    if "blockhash" in reply and (found := header(node, reply["blockhash"])).confirmations > 0:
        return Sighting(txid, found.confirmations, found.block_hash, found.height, abandoned=False, told={})
    return _outside(txid) if mempool.waiting(node, [txid]) else None


def own(tenant: str, watch_id: str, txid: str) -> Item:
    """What the first event of a watch's transaction says besides."""
    return {"tenant": tenant, "watch_id": watch_id, "txid": txid}


def _look_through(look: _Look, starts: set[str], wanted: set[str], more: Callable[[], bool]) -> None:
    """Find txids in the blocks after the first of some."""
    start = min((standing(look.node, one, look.last, TRAIL) for one in starts), key=lambda one: one.height)
    look.reached = start.block_hash
    for number, block in enumerate(blocks_after(look.node, start, look.last)):
        look.blocks |= dict.fromkeys(wanted & block.txids, (block.block_hash, block.height))
        look.reached = block.block_hash
        if number + 1 == MAX_BLOCKS or not more():
            return


def _sighted(look: _Look, sought: Sequence[Sought]) -> list[tuple[Sought, Sighting | None]]:
    """Where each is; None for what is nowhere while that may be because something has just moved."""
    confirmed = {one.watch_id: _in_chain(look, one) for one in sought}
    left = {one.txid for one in sought if confirmed[one.watch_id] is None}
    waiting = mempool.waiting(look.node, left)
    certain = left != waiting and look.reached == look.last.block_hash and still(look.node, look.last)
    outside: dict[str, Sighting | None] = {txid: replace(_outside(txid), abandoned=True) for txid in left if certain}
    outside |= {txid: _outside(txid) for txid in waiting}
    return [(one, confirmed[one.watch_id] or outside.get(one.txid)) for one in sought]


def _in_chain(look: _Look, one: Sought) -> Sighting | None:
    for block_hash, height in (look.blocks.get(one.txid, ("", 0)), (one.block_hash, one.height)):
        depth = _depth(look, block_hash) if block_hash else 0
        if depth > 0:
            return Sighting(one.txid, depth, block_hash, height, abandoned=False, told={})
    return None


def _depth(look: _Look, block_hash: str) -> int:
    if block_hash not in look.depths:
        try:
            look.depths[block_hash] = header(look.node, block_hash).confirmations
        except NotFound:  # of another chain
            look.depths[block_hash] = -1
    return look.depths[block_hash]


def _outside(txid: str) -> Sighting:
    return Sighting(txid, 0, "", 0, abandoned=False, told={})


def _bring(turn: Turn, one: Sought, seen: Sighting) -> None:
    """Write down what has happened to a txid and where it is, if that is new."""
    name, buried = aggregate(one.tenant, one.watch_id, one.txid), seen.confirmations > TRAIL

    def also(head: Head) -> list[Write]:
        return [one.buried() if buried else one.moved(head)]

    known = replace(journal.fresh(name), state=one.state, data={"block_hash": one.block_hash})
    if buried or any(events(known, seen)):
        observe(turn, name, own(one.tenant, one.watch_id, one.txid), seen, also, [one.stands])


def _in_wallets(node: BitcoinNode, tenant: str, txid: str) -> dict[str, Any]:
    """What a wallet of the tenant says of a transaction; nothing if none has it."""
    for wallet in wallets_of(node, tenant):
        try:
            reply = wallet_call(node, wallet, "gettransaction", txid)
        except NotFound:
            continue
        if isinstance(reply, dict):
            return reply
    return {}


def _not_there() -> Invalid:
    return Invalid(
        "The node knows no block of this hash, or the transaction is not in it.",
        next_step="Correct block_hash, or leave it out.",
        code="bitcoin/not-in-block",
        errors=(FieldError("/block_hash", "is of no block that the node has with this transaction in it"),),
    )
