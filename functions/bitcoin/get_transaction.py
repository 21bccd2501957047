"""One transaction, what it spends and pays, and the proof that it is in its block."""

from pydantic import Field

from isthmus.bitcoin import transactions
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.views import InclusionProof, TransactionInput, TransactionOutput, read
from isthmus.failure import Integrity, NotFound, Precondition, Unavailable
from isthmus.fields import BlockHash, FeerateSatPerKvb, Height, Request, Response, Sat, Txid
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode


class GetTransaction(Request):
    """Which transaction, and how much of it."""

    txid: Txid
    block_hash: BlockHash | None = Field(None, description="its block, for a node without a transaction index")
    offset: int = Field(default=0, ge=0, le=100_000, description="the first input and output shown")
    limit: int = Field(default=50, ge=1, le=200, description="how many inputs and outputs")
    merkle_proof: bool = Field(default=False, description="whether to prove that it is in its block")


class Transaction(Response):
    """A transaction; feerate in satoshi per 1,000 virtual bytes, rounded down."""

    txid: Txid
    wtxid: Txid = Field(validation_alias="hash")
    version: int
    lock_time: int = Field(validation_alias="locktime")
    size: int
    vsize: int = Field(gt=0)
    weight: int
    fee_sat: Sat | None
    feerate_sat_per_kvb: FeerateSatPerKvb | None
    in_mempool: bool
    confirmations: int = 0
    block_hash: BlockHash | None = Field(None, validation_alias="blockhash")
    block_height: Height | None
    block_time: int | None = Field(None, validation_alias="blocktime")
    n_inputs: int
    n_outputs: int
    inputs: list[TransactionInput]
    outputs: list[TransactionOutput]
    next_offset: int | None = Field(description="where the next page starts; null on the last one")
    merkle_proof: InclusionProof | None


@operation("GET /v1/bitcoin/transaction", effect=Effect.READ, errors=(NotFound, Precondition, Integrity, Unavailable))
def get_transaction(request: GetTransaction, node: BitcoinNode) -> Transaction:
    """A transaction's inputs, outputs, fee and block, and on request the checked Merkle proof of its inclusion."""
    node = within(node)
    reply = transactions.transaction(node, request.txid, request.block_hash)
    fee, page = transactions.fee_sat(node, reply), slice(request.offset, request.offset + request.limit)
    proof = transactions.proof(node, reply) if request.merkle_proof else None
    return read(
        Transaction,
        reply,
        fee_sat=fee,
        feerate_sat_per_kvb=None if fee is None else fee * 1000 // reply["vsize"],
        in_mempool="blockhash" not in reply,
        block_height=transactions.confirmed_height(node, reply),
        n_inputs=len(reply["vin"]),
        n_outputs=len(reply["vout"]),
        inputs=[read(TransactionInput, one, coinbase="coinbase" in one) for one in reply["vin"][page]],
        outputs=[read(TransactionOutput, one) for one in reply["vout"][page]],
        next_offset=page.stop if page.stop < max(len(reply["vin"]), len(reply["vout"])) else None,
        merkle_proof=proof and InclusionProof.model_validate(proof, from_attributes=True),
    )
