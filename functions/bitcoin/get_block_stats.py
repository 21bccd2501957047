"""What a block's transactions paid and how large they are."""

from pydantic import Field

from isthmus.bitcoin.blocks import block_hash_of
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.views import read
from isthmus.failure import NotFound, Precondition, Unavailable
from isthmus.fields import BlockHash, Height, Request, Response, Sat
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode


class GetBlockStats(Request):
    """Which block, named by exactly one of height and hash."""

    height: Height | None = Field(None, description="either this")
    block_hash: BlockHash | None = Field(None, description="or this, as explorers show it")


class BlockStats(Response):
    """Totals and distributions over a block's transactions without its coinbase, as the node counts them.

    Feerates are whole satoshi per virtual byte, rounded down by the node: 0 means less than 1.
    """

    block_hash: BlockHash = Field(validation_alias="blockhash")
    height: Height
    time: int
    median_time: int = Field(validation_alias="mediantime")
    n_tx: int = Field(validation_alias="txs", description="transactions with the coinbase")
    inputs: int = Field(validation_alias="ins")
    outputs: int = Field(validation_alias="outs", description="outputs with the coinbase's")
    subsidy_sat: Sat = Field(validation_alias="subsidy")
    total_fee_sat: Sat = Field(validation_alias="totalfee")
    total_out_sat: Sat = Field(validation_alias="total_out")
    min_fee_sat: Sat = Field(validation_alias="minfee")
    median_fee_sat: Sat = Field(validation_alias="medianfee")
    mean_fee_sat: Sat = Field(validation_alias="avgfee")
    max_fee_sat: Sat = Field(validation_alias="maxfee")
    min_feerate_sat_per_vb: int = Field(validation_alias="minfeerate")
    mean_feerate_sat_per_vb: int = Field(validation_alias="avgfeerate")
    max_feerate_sat_per_vb: int = Field(validation_alias="maxfeerate")
    feerate_percentiles_sat_per_vb: list[int] = Field(
        validation_alias="feerate_percentiles",
        min_length=5,
        max_length=5,
        description="p10, p25, p50, p75, p90 by weight",
    )
    total_size_bytes: int = Field(validation_alias="total_size")
    total_weight: int
    min_size_bytes: int = Field(validation_alias="mintxsize")
    median_size_bytes: int = Field(validation_alias="mediantxsize")
    mean_size_bytes: int = Field(validation_alias="avgtxsize")
    max_size_bytes: int = Field(validation_alias="maxtxsize")
    segwit_n_tx: int = Field(validation_alias="swtxs")
    segwit_total_size_bytes: int = Field(validation_alias="swtotal_size")
    segwit_total_weight: int = Field(validation_alias="swtotal_weight")
    utxo_increase: int = Field(description="outputs made less outputs spent")
    utxo_size_increase_bytes: int = Field(validation_alias="utxo_size_inc")


@operation("GET /v1/bitcoin/block-stats", effect=Effect.READ, errors=(NotFound, Precondition, Unavailable))
def get_block_stats(request: GetBlockStats, node: BitcoinNode) -> BlockStats:
    """A block's fees, feerate percentiles, sizes and its change to the set of unspent outputs."""
    node = within(node)
    return read(BlockStats, node.call("getblockstats", block_hash_of(node, request.height, request.block_hash)))
