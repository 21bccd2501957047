"""The unspent outputs that pay to an address or match a descriptor."""

from typing import Any

from pydantic import Field

from isthmus.bitcoin.amounts import SatFromBtc
from isthmus.bitcoin.outputs import scan, scan_object
from isthmus.bitcoin.views import Script, read
from isthmus.failure import Precondition, Unavailable
from isthmus.fields import BlockHash, Height, Request, Response, Txid
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode


class SearchOutputs(Request):
    """What to look for: exactly one of address and descriptor."""

    address: str | None = Field(None, min_length=1, max_length=128, description="either this")
    descriptor: str | None = Field(
        None, min_length=1, max_length=1000, description="or this: BIP 380, without private keys"
    )
    range_end: int = Field(default=100, ge=0, le=1000, description="the last key of a ranged descriptor")
    limit: int = Field(default=100, ge=1, le=500, description="how many outputs are shown")


class UnspentOutput(Response):
    """One unspent output."""

    txid: Txid
    vout: int
    value_sat: SatFromBtc = Field(validation_alias="amount")
    script_pubkey: Script = Field(validation_alias="scriptPubKey")
    height: Height = Field(description="of the block that made it")
    coinbase: bool | None = Field(None, description="null when the node does not say")


class UnspentOutputs(Response):
    """The scan's result at one block; the outputs are the oldest ones."""

    height: Height
    best_block_hash: BlockHash = Field(validation_alias="bestblock")
    scanned: int = Field(validation_alias="txouts", description="how many unspent outputs the node looked at")
    n_found: int
    total_sat: SatFromBtc = Field(validation_alias="total_amount", description="of all that were found")
    outputs: list[UnspentOutput]
    truncated: bool = Field(description="whether more were found than are shown")


@operation("GET /v1/bitcoin/outputs", effect=Effect.READ, errors=(Precondition, Unavailable))
def search_outputs(request: SearchOutputs, node: BitcoinNode) -> UnspentOutputs:
    """Scan the node's set of unspent outputs; confirmed outputs only, and one scan at a time."""
    found = scan(node, scan_object(node, request.address, request.descriptor, request.range_end))
    outputs = sorted((read(UnspentOutput, one) for one in found["unspents"]), key=_age)
    return read(
        UnspentOutputs,
        found,
        n_found=len(outputs),
        outputs=outputs[: request.limit],
        truncated=len(outputs) > request.limit,
    )


def _age(output: UnspentOutput) -> Any:
    return output.height, output.txid, output.vout
