"""Bitcoin's Merkle tree: the root over a block's transactions, and the branch that proves one of them.

Every hash here is 32 bytes in internal byte order, the reverse of what explorers show. The tree is the one of the
Bitcoin paper, section 7, as Bitcoin Core builds it (src/consensus/merkle.cpp): SHA-256 twice over two neighbours, and
the last hash of an odd level is its own neighbour. That last rule lets two different lists have the same root
(CVE-2012-2459), so a list whose tree has two equal neighbours is refused. A branch says nothing about what a leaf is:
whoever accepts 64-byte transactions can be shown an inner node as one (CVE-2017-12842).
"""

from collections.abc import Sequence
from hashlib import sha256

from isthmus.failure import Integrity

HASH_BYTES = 32
MAX_DEPTH = 32


def sha256d(data: bytes) -> bytes:
    """SHA-256 twice: the hash of blocks, transactions and tree nodes."""
    return sha256(sha256(data).digest()).digest()


def merkle_root(txids: Sequence[bytes]) -> bytes:
    """The root over the transactions of one block, coinbase first.

    Raises:
        Integrity: the list is empty, or two neighbours in the tree are equal (CVE-2012-2459).
    """
    level = _leaves(txids)
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def merkle_branch(txids: Sequence[bytes], position: int) -> tuple[bytes, ...]:
    """The neighbours that lead from the transaction at `position` to the root, lowest first.

    Raises:
        Integrity: there is no such position, or what `merkle_root` refuses.
    """
    level = _leaves(txids)
    if not 0 <= position < len(level):
        raise _broken("A proof was asked for a position outside the block.")
    branch = []
    while len(level) > 1:
        branch.append(level[min(position ^ 1, len(level) - 1)])
        level, position = _parents(level), position >> 1
    return tuple(branch)


def fold_branch(txid: bytes, position: int, branch: Sequence[bytes]) -> bytes:
    """The root that a branch claims for a transaction; compare it with the one in the block's header.

    Raises:
        Integrity: the branch is deeper than any block's, or the position does not fit its depth.
    """
    if len(branch) > MAX_DEPTH or not 0 <= position < 1 << len(branch):
        raise _broken("A branch does not fit the position it is said to prove.")
    node = txid
    for neighbour in branch:
        node = sha256d(neighbour + node if position & 1 else node + neighbour)
        position >>= 1
    return node


def _leaves(txids: Sequence[bytes]) -> list[bytes]:
    if not txids:
        raise _broken("A block without transactions has no Merkle root.")
    if any(len(txid) != HASH_BYTES for txid in txids):
        raise _broken("A transaction id is not 32 bytes.")
    return list(txids)


def _parents(level: list[bytes]) -> list[bytes]:
    if any(left == right for left, right in zip(level[::2], level[1::2], strict=False)):
        raise _broken("Two neighbours in a Merkle tree are equal, so its root names more than one list.")
    if len(level) % 2:
        level = [*level, level[-1]]
    return [sha256d(left + right) for left, right in zip(level[::2], level[1::2], strict=True)]


def _broken(detail: str) -> Integrity:
    return Integrity(
        detail, next_step="Do not use this block; compare it with another node.", code="bitcoin/merkle-tree"
    )
