"""What to pay: the node's own estimate, what waits in the mempool, and one rule over both."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from isthmus.bitcoin import mempool
from isthmus.bitcoin.amounts import SatFromBtc
from isthmus.bitcoin.views import read
from isthmus.failure import Defect, Invalid, Precondition, Unsupported
from isthmus.ports import BitcoinNode

Mode = Literal["economical", "conservative"]
Basis = Literal["mempool-clears", "block-template", "mempool"]


class _Estimate(BaseModel):
    feerate: SatFromBtc | None = None
    blocks: int = Field(ge=0)


@dataclass(frozen=True)
class FeeEstimate:
    """Feerates in sat per 1,000 virtual bytes, and where they come from."""

    node_sat_per_kvb: int | None
    node_blocks: int | None
    node_reason: Literal["insufficient-data"] | None
    floor_sat_per_kvb: int
    next_block_sat_per_kvb: int
    next_block_basis: Basis
    within_blocks_sat_per_kvb: int
    mempool_percentiles_sat_per_kvb: dict[str, int] | None
    recommended_sat_per_kvb: int


def estimate(node: BitcoinNode, blocks: int, mode: Mode) -> FeeEstimate:
    """The feerate to pay for a confirmation within `blocks` blocks; `recommended` says by which rule."""
    asked = read(_Estimate, node.call("estimatesmartfee", blocks, mode.upper()))
    pool = mempool.mempool(node)
    next_block, basis = _next_block(node, pool)
    within = min(mempool.feerate_within(pool, blocks), next_block)
    floor = pool.totals.floor_sat_per_kvb
    return FeeEstimate(
        node_sat_per_kvb=asked.feerate,
        node_blocks=asked.blocks if asked.feerate is not None else None,
        node_reason="insufficient-data" if asked.feerate is None else None,
        floor_sat_per_kvb=floor,
        next_block_sat_per_kvb=next_block,
        next_block_basis=basis,
        within_blocks_sat_per_kvb=within,
        mempool_percentiles_sat_per_kvb=mempool.percentiles(pool.read),
        recommended_sat_per_kvb=recommended(mode, asked.feerate, floor, next_block, within),
    )


def recommended(mode: Mode, node_estimate: int | None, floor: int, next_block: int, within: int) -> int:
    """The one rule, all in sat per 1,000 virtual bytes.

    The node's estimate looks back at how long confirmations took; the mempool shows what is needed now, but not what
    arrives next. `within` is what the asked number of blocks takes of what waits now, so less is never enough.

    - Without an estimate of the node: what the next block takes, which is the safe side of every target.
    - conservative: the highest of the estimate, `within` and the floor. A calm mempool does not lower it.
    - economical: the estimate, but no more than the next block takes now, no less than `within` or the floor. After a
      congestion the estimate stays high for hours while the mempool is empty; this is where money is saved.
    """
    if node_estimate is None:
        return max(next_block, floor)
    if mode == "conservative":
        return max(node_estimate, within, floor)
    return max(min(node_estimate, next_block), within, floor)


def _next_block(node: BitcoinNode, pool: mempool.Mempool) -> tuple[int, Basis]:
    """What the next block takes: the floor, the node's projected block when that is full, else the mempool's order.

    A node may be set to make smaller blocks than the network does, so a template that is not full says nothing.
    """
    floor = pool.totals.floor_sat_per_kvb
    if pool.totals.bytes <= mempool.BLOCK_VSIZE:
        return floor, "mempool-clears"
    try:
        projected = mempool.template_feerate(node.call("getblocktemplate", {"rules": ["segwit", "signet"]}))
    except (Precondition, Invalid, Unsupported, Defect):  # no peers, still syncing, or built without mining
        projected = None
    if projected is not None:
        return max(floor, projected), "block-template"
    return mempool.feerate_within(pool, 1), "mempool"
