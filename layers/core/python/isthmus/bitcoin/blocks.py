"""Naming a block, reading it, and proving that a transaction is in it."""

from dataclasses import dataclass
from typing import Any

from isthmus.bitcoin import codes
from isthmus.bitcoin.views import hash_text, undocumented, whole
from isthmus.failure import FieldError, Integrity, Invalid, NotFound
from isthmus.merkle import fold_branch, merkle_branch, sha256d
from isthmus.ports import BitcoinNode

HEADER_BYTES = 80


def block_hash_of(node: BitcoinNode, height: int | None, block_hash: str | None) -> str:
    """The hash of the block that a request names by exactly one of height and hash.

    Raises:
        Invalid: both are given, or neither.
        NotFound: the height is above the tip, which the detail names.
    """
    if block_hash is not None and height is None:
        return block_hash
    if height is None or block_hash is not None:
        given = "Neither height nor block_hash is" if height is None else "Both height and block_hash are"
        raise Invalid(
            f"{given} given.",
            next_step="Name the block by exactly one of height and block_hash.",
            code="bitcoin/block-name",
            errors=(FieldError("/height", "give one of the two"), FieldError("/block_hash", "give one of the two")),
        )
    try:
        return hash_text(node.call("getblockhash", height))
    except NotFound as missing:
        tip = whole(node.call("getblockcount"))
        raise NotFound(
            f"There is no block at height {height}: the tip is at {tip}.",
            next_step=f"Ask for a height from 0 to {tip}, or wait for the block.",
            code="bitcoin/above-tip",
            upstream=missing.upstream,
        ) from None


def block_with_txids(node: BitcoinNode, block_hash: str) -> dict[str, Any]:
    """A block's `getblock` at verbosity 1: the fields of its header, and the ids of its transactions.

    Raises:
        NotFound: the node knows no such block.
        Precondition: the node has pruned it.
        Integrity: the node answered with another block.
    """
    block = node.call("getblock", block_hash, 1)
    if not isinstance(block, dict) or not isinstance(block.get("tx"), list):
        raise undocumented()
    if block.get("hash") != block_hash:
        raise codes.failure(codes.WRONG_BLOCK)
    return block


@dataclass(frozen=True)
class MerkleProof:
    """That a transaction is in a block: the branch from its id to the root in the header, which hashes to the block.

    Hashes are hexadecimal as explorers show them, the header is in the bytes of the protocol.
    """

    block_hash: str
    header: str
    position: int
    branch: list[str]


def merkle_proof(node: BitcoinNode, txid: str, block_hash: str) -> MerkleProof:
    """Prove a transaction, and check the proof against the header before it is given away.

    Raises:
        Integrity: the header is not the block's, or the branch does not lead to its root.
    """
    header = _header(node, block_hash)
    txids = [hash_text(one) for one in block_with_txids(node, block_hash)["tx"]]
    if txid not in txids:
        raise _unproven("The node's block does not list the transaction it says is in it.")
    position, leaves = txids.index(txid), [bytes.fromhex(one)[::-1] for one in txids]
    branch = merkle_branch(leaves, position)
    if fold_branch(leaves[position], position, branch) != header[36:68]:
        raise _unproven("The block's transactions do not lead to the Merkle root in its header.")
    return MerkleProof(block_hash, header.hex(), position, [node[::-1].hex() for node in branch])


def _header(node: BitcoinNode, block_hash: str) -> bytes:
    text = node.call("getblockheader", block_hash, False)
    if not isinstance(text, str) or len(text) != 2 * HEADER_BYTES:
        raise undocumented()
    try:
        header = bytes.fromhex(text)
    except ValueError:
        raise undocumented() from None
    if sha256d(header)[::-1].hex() != block_hash:
        raise codes.failure(codes.WRONG_BLOCK)
    return header


def _unproven(detail: str) -> Integrity:
    return Integrity(
        detail,
        next_step="Do not use this node before you know why; compare it with another one.",
        code="bitcoin/merkle-proof",
    )
