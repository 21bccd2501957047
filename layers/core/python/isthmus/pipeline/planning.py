"""Planning: the difference between what the tables should hold and what they hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.failure import FieldError, Invalid, Precondition
from isthmus.pipeline.manifest import Manifest
from isthmus.pipeline.segments import Segment, Window, holds, window_of, windows
from isthmus.ports import BitcoinNode

MAX_BATCHES = 500


@dataclass(frozen=True)
class Chain:
    """What the node says about its chain."""

    name: str
    genesis: str
    tip: int
    lowest: int


@dataclass(frozen=True)
class Plan:
    """The difference between the tables and the chain."""

    first: int
    last: int
    follow_from: int | None
    batches: tuple[Window, ...]
    retract: tuple[str, ...]
    remaining: int


def look_at(node: BitcoinNode) -> Chain:
    """The chain as the node has it.

    Raises:
        Precondition: the node has not caught up with the network.
    """
    info = node.call("getblockchaininfo")
    if info["initialblockdownload"] and info["chain"] != "regtest":
        raise Precondition(
            f"The node is still downloading the chain, at {info['blocks']} of {info['headers']} blocks.",
            next_step="Wait until it has caught up; `get_chain_info` shows its progress.",
            code="bitcoin/syncing",
        )
    lowest = int(info.get("pruneheight") or 0) if info.get("pruned") else 0
    return Chain(info["chain"], node.call("getblockhash", 0), int(info["blocks"]), lowest)


def plan(
    node: BitcoinNode, chain: Chain, current: Manifest | None, asked: tuple[int, int] | None, *, follow: bool
) -> Plan:
    """What must be collected and retracted so that the tables hold the asked heights of the node's chain.

    Segments that the node's chain no longer has are retracted wherever they are, and their heights collected anew, now
    or when that failed or the chain was too short, by a later plan; what else is stored is kept where it fits.

    Args:
        node: the node whose chain counts.
        chain: what it said about it.
        current: what is stored.
        asked: first and last height, or None to put in order only what is stored.
        follow: whether blocks to come are asked for too.

    Raises:
        Precondition: the tables hold another chain.
    """
    if current is not None and current.genesis != chain.genesis:
        raise Precondition(
            "The tables hold another chain than the node.",
            next_step="Point ISTHMUS_BITCOIN_URL to a node of that chain, or use another ISTHMUS_HOME or stack.",
            code="pipeline/other-chain",
        )
    stored = current.segments if current else ()
    stale = {s.id: s.window for s in _stale(node, chain, stored)}
    kept = [s for s in stored if s.id not in stale]
    gone = [*stale.values(), *(window_of(name) for name in (current.retracted if current else ()))]
    lost = [(w.first, min(w.last, chain.tip)) for w in gone if w.first <= chain.tip and not holds(kept, w)]
    ranges = _joined([asked, *lost] if asked else lost)
    wanted = [w for first, last in ranges for w in windows(first, last, chain.tip) if not holds(kept, w)]
    return Plan(
        first=ranges[0][0] if ranges else chain.tip,
        last=ranges[-1][1] if ranges else chain.tip,
        follow_from=asked[0] if asked and follow else None,
        batches=tuple(wanted[:MAX_BATCHES]),
        retract=tuple(stale),
        remaining=max(0, len(wanted) - MAX_BATCHES),
    )


def _joined(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same heights as disjoint ranges in order."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined


def _stale(node: BitcoinNode, chain: Chain, stored: Sequence[Segment]) -> list[Segment]:
    """Stored segments whose last block is not on the node's chain, the highest first.

    One that is there proves those that link up to it. Below a gap the node is asked again: a run that left the gap may
    have met a reorganisation there, and stored blocks of both branches.
    """
    stale: list[Segment] = []
    proven = ""
    for segment in reversed(stored):
        if segment.block_hash == proven or (
            segment.last <= chain.tip and node.call("getblockhash", segment.last) == segment.block_hash
        ):
            proven = segment.previous_hash
        else:
            stale.append(segment)
    return stale


def check_range(chain: Chain, first: int, last: int | None) -> None:
    """Refuse heights that the node cannot serve.

    Raises:
        Invalid: a height is above the tip, or the range is upside down.
        Precondition: the node has pruned the first blocks.
    """
    wrong = [
        FieldError(f"/{name}", f"the chain's tip is at height {chain.tip}")
        for name, height in (("from_height", first), ("to_height", last))
        if height is not None and height > chain.tip
    ]
    if last is not None and last < first:
        wrong.append(FieldError("/to_height", "is below from_height"))
    if wrong:
        raise Invalid(
            "The range of heights is not on the chain.", next_step="Ask for heights up to the tip.", errors=tuple(wrong)
        )
    if first < chain.lowest:
        raise Precondition(
            f"The node has pruned the blocks below {chain.lowest}.",
            next_step=f"Start at height {chain.lowest} or above, or use a node that keeps all blocks.",
            code="bitcoin/pruned",
        )
