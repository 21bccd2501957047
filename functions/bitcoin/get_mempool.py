"""What waits in the node's mempool."""

from pydantic import Field

from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.mempool import histogram, mempool, percentiles
from isthmus.failure import Precondition, Unavailable
from isthmus.fields import FeerateSatPerKvb, Request, Response, Sat
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode


class GetMempool(Request):
    """Nothing to ask."""


class FeerateBucket(Response):
    """Transactions with feerates from one bound to below the next."""

    from_sat_per_kvb: FeerateSatPerKvb
    to_sat_per_kvb: FeerateSatPerKvb | None = Field(description="null in the last bucket")
    count: int
    vsize: int
    fee_sat: Sat


class MempoolView(Response):
    """The mempool; feerates are each transaction's own, without those of its ancestors."""

    loaded: bool = Field(description="whether the node has read back the mempool it saved")
    count: int
    vsize: int
    usage_bytes: int = Field(description="memory in use")
    max_usage_bytes: int
    total_fee_sat: Sat | None
    floor_sat_per_kvb: FeerateSatPerKvb = Field(description="below it nothing enters")
    sampled: bool = Field(description="whether percentiles and histogram are over a random sample instead of all")
    n_read: int = Field(description="transactions that percentiles and histogram are over")
    feerate_percentiles_sat_per_kvb: dict[str, int] | None = Field(
        description="p5 to p95, weighted by vsize; null when nothing waits"
    )
    histogram: list[FeerateBucket]


@operation("GET /v1/bitcoin/mempool", effect=Effect.READ, errors=(Precondition, Unavailable))
def get_mempool(request: GetMempool, node: BitcoinNode) -> MempoolView:
    """How much waits and what it pays: totals, feerate percentiles weighted by size, and a histogram."""
    pool = mempool(within(node))
    totals = pool.totals
    return MempoolView(
        loaded=totals.loaded,
        count=totals.size,
        vsize=totals.bytes,
        usage_bytes=totals.usage,
        max_usage_bytes=totals.maxmempool,
        total_fee_sat=totals.total_fee,
        floor_sat_per_kvb=totals.floor_sat_per_kvb,
        sampled=pool.sampled,
        n_read=len(pool.read),
        feerate_percentiles_sat_per_kvb=percentiles(pool.read),
        histogram=[FeerateBucket.model_validate(one, from_attributes=True) for one in histogram(pool.read)],
    )
