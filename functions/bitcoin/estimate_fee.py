"""What to pay for a confirmation within some blocks."""

from typing import Literal

from pydantic import Field

from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.fees import Basis, Mode, estimate
from isthmus.failure import Precondition, Unavailable
from isthmus.fields import FeerateSatPerKvb, Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode


class EstimateFee(Request):
    """Within how many blocks, and how much a calm mempool may lower the answer."""

    blocks: int = Field(default=6, ge=1, le=1008, description="confirmation target")
    mode: Mode = Field(default="economical", description="conservative ignores that the mempool may be calm just now")


class Estimate(Response):
    """Feerates in whole satoshi per 1,000 virtual bytes."""

    recommended_sat_per_kvb: FeerateSatPerKvb = Field(
        description="economical: the node's estimate, at most what the next block takes, at least what the blocks "
        "asked for take; conservative: the highest of estimate, those blocks and floor; without one: the next block's"
    )
    node_sat_per_kvb: FeerateSatPerKvb | None = Field(description="what the node's history of confirmations says")
    node_blocks: int | None = Field(description="the target the node answered for")
    node_reason: Literal["insufficient-data"] | None = Field(description="why the node has no estimate")
    floor_sat_per_kvb: FeerateSatPerKvb = Field(description="below it the node takes nothing")
    next_block_sat_per_kvb: FeerateSatPerKvb = Field(description="what the next block takes of what waits now")
    next_block_basis: Basis
    within_blocks_sat_per_kvb: FeerateSatPerKvb = Field(description="what the asked blocks take of what waits now")
    mempool_percentiles_sat_per_kvb: dict[str, int] | None


@operation("GET /v1/bitcoin/fee-estimate", effect=Effect.READ, errors=(Precondition, Unavailable))
def estimate_fee(request: EstimateFee, node: BitcoinNode) -> Estimate:
    """The feerate to pay, from the node's own estimate and from what waits in its mempool.

    Recommended is, without an estimate of the node, what the next block takes; conservative, the highest of the
    estimate, what the asked blocks take of what waits, and the floor; economical, the estimate, but no more than what
    the next block takes, and no less than what the asked blocks take or the floor.
    """
    return Estimate.model_validate(estimate(within(node), request.blocks, request.mode), from_attributes=True)
