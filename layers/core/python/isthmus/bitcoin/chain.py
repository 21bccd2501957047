"""The chain as a follower sees it: where a block is, what is new since one, and whether the tip has stood still."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, Field

from isthmus.bitcoin import mempool
from isthmus.bitcoin.blocks import block_with_txids
from isthmus.bitcoin.codes import PRUNED
from isthmus.bitcoin.views import hash_text, read
from isthmus.failure import NotFound, Precondition
from isthmus.fields import BlockHash
from isthmus.ports import BitcoinNode

MARGIN = 144
"""Blocks: their times may lie before those of the blocks before them, but not by a day."""


class Tip(BaseModel):
    """The last block."""

    height: int = Field(validation_alias="blocks", ge=0)
    block_hash: BlockHash = Field(validation_alias="bestblockhash")


class Header(BaseModel):
    """A block's place in the chain; `confirmations` is -1 if it is not in it any more."""

    block_hash: BlockHash = Field(validation_alias="hash")
    height: int = Field(ge=0)
    confirmations: int
    time: int
    previous: BlockHash = Field("0" * 64, validation_alias="previousblockhash")


@dataclass(frozen=True)
class Block:
    """A block in the chain, and its transactions; none if the node has pruned it."""

    block_hash: str
    height: int
    txids: frozenset[str]


def tip(node: BitcoinNode) -> Tip:
    """The last block."""
    return read(Tip, node.call("getblockchaininfo"))


def header(node: BitcoinNode, block_hash: str) -> Header:
    """A block's header.

    Raises:
        NotFound: the node knows no such block.
    """
    return read(Header, node.call("getblockheader", block_hash))


def still(node: BitcoinNode, last: Tip) -> bool:
    """Whether nothing has moved since the tip was this: what is in no block and does not wait is nowhere."""
    return mempool.is_whole(node) and hash_text(node.call("getbestblockhash")) == last.block_hash


def standing(node: BitcoinNode, block_hash: str, last: Tip, deepest: int) -> Header:
    """The block itself if it is in the chain, else the last one before it that is.

    Args:
        node: the node.
        block_hash: the block.
        last: the tip.
        deepest: so many blocks are gone back at most; then it is the one that lies so deep in the chain.
    """
    for _ in range(deepest):
        try:
            found = header(node, block_hash)
        except NotFound:  # of another chain
            break
        if found.confirmations > 0:
            return found
        block_hash = found.previous
    return back(node, last, deepest)


def back(node: BitcoinNode, last: Tip, blocks: int) -> Header:
    """The block that lies so many blocks below the tip, or the first one."""
    return header(node, _hash_at(node, max(0, last.height - blocks)))


def blocks_after(node: BitcoinNode, start: Header, last: Tip) -> Iterator[Block]:
    """The blocks from the one after `start` up to the tip, as long as each follows the one before."""
    previous = start.block_hash
    for height in range(start.height + 1, last.height + 1):
        try:
            found = header(node, _hash_at(node, height))
        except NotFound:  # the chain has become shorter
            return
        if found.previous != previous:
            return
        yield Block(found.block_hash, height, _txids(node, found.block_hash))
        previous = found.block_hash


def before(node: BitcoinNode, time_s: int, last: Tip) -> Header:
    """A block before all that were found after a time, for all that blocks say of theirs."""
    low, high = 0, last.height
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if header(node, _hash_at(node, middle)).time < time_s else (low, middle - 1)
    return header(node, _hash_at(node, max(0, low - MARGIN)))


def _hash_at(node: BitcoinNode, height: int) -> str:
    return hash_text(node.call("getblockhash", height))


def _txids(node: BitcoinNode, block_hash: str) -> frozenset[str]:
    try:
        return frozenset(map(hash_text, block_with_txids(node, block_hash)["tx"]))
    except Precondition as failure:
        if failure.code != f"bitcoin/{PRUNED.code}":
            raise
        return frozenset()
