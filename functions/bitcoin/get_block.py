"""One block's header and a page of its transactions."""

from pydantic import Field

from isthmus.bitcoin.blocks import block_hash_of, block_with_txids
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.views import NumberText, read
from isthmus.failure import Integrity, NotFound, Precondition, Unavailable
from isthmus.fields import BlockHash, Height, Hex32, Request, Response, Txid
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode


class GetBlock(Request):
    """Which block, named by exactly one of height and hash, and which of its transactions."""

    height: Height | None = Field(None, description="either this")
    block_hash: BlockHash | None = Field(None, description="or this, as explorers show it")
    offset: int = Field(default=0, ge=0, le=100_000, description="the first transaction id shown; 0 is the coinbase")
    limit: int = Field(default=50, ge=1, le=200, description="how many transaction ids")


class Block(Response):
    """A block; sizes in bytes, times in seconds since the epoch as its miner and the network's median say."""

    block_hash: BlockHash = Field(validation_alias="hash")
    height: Height
    confirmations: int = Field(ge=-1, description="1 for the tip; -1 when the block is not in the best chain")
    version: int
    previous_block_hash: BlockHash | None = Field(None, validation_alias="previousblockhash")
    next_block_hash: BlockHash | None = Field(None, validation_alias="nextblockhash")
    merkle_root: Hex32 = Field(validation_alias="merkleroot")
    time: int
    median_time: int = Field(validation_alias="mediantime")
    nonce: int
    bits: str = Field(pattern=r"^[0-9a-f]{8}$", description="the target in its compact form")
    difficulty: NumberText
    size: int
    stripped_size: int = Field(validation_alias="strippedsize")
    weight: int
    n_tx: int = Field(validation_alias="nTx")
    txids: list[Txid] = Field(validation_alias="tx")
    next_offset: int | None = Field(description="where the next page starts; null on the last one")


@operation("GET /v1/bitcoin/block", effect=Effect.READ, errors=(NotFound, Precondition, Integrity, Unavailable))
def get_block(request: GetBlock, node: BitcoinNode) -> Block:
    """A block's header, sizes and place in the chain, and a page of its transaction ids."""
    node = within(node)
    block = block_with_txids(node, block_hash_of(node, request.height, request.block_hash))
    end = request.offset + request.limit
    more = end if end < len(block["tx"]) else None
    return read(Block, block, tx=block["tx"][request.offset : end], next_offset=more)
