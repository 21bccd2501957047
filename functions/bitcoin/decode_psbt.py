"""What a partially signed transaction says, and what it lacks."""

from typing import Annotated, Literal

from pydantic import Field

from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.psbts import decode
from isthmus.bitcoin.views import Address, TransactionOutput, read
from isthmus.bitcoin.wanted import Psbt
from isthmus.failure import Unavailable
from isthmus.fields import FeerateSatPerKvb, Request, Response, Sat, Txid
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode

Role = Literal["creator", "updater", "signer", "finalizer", "extractor"]


class DecodePsbt(Request):
    """The PSBT."""

    psbt: Psbt


class PsbtInput(Response):
    """One input; null where the PSBT does not say."""

    txid: Txid
    vout: int
    sequence: int
    value_sat: Sat | None
    script_type: str | None
    address: Address | None
    proven: bool = Field(
        description="whether the value is proven by the whole transaction it comes from; else the PSBT may lie"
    )
    sighash: str | None = Field(description="what its signature covers, if the PSBT demands something")
    final: bool
    next: Role | None = Field(description="who has to go on with it (BIP 174)")
    missing_signatures: list[Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$", description="hash of the key")]]


class PsbtView(Response):
    """A PSBT, as far as itself says."""

    txid: Txid = Field(
        description="of the transaction without signatures; the same in the end, if all inputs are segwit"
    )
    valid: bool = Field(description="false when it contradicts itself, such as by paying more than it spends")
    complete: bool = Field(description="whether every input is final, so that it can be broadcast")
    next: Role | None = Field(description="who has to go on with it (BIP 174)")
    fee_sat: int | None = Field(description="null until the value of each input is there")
    estimated_vsize: int | None
    estimated_feerate_sat_per_kvb: FeerateSatPerKvb | None
    inputs: list[PsbtInput]
    outputs: list[TransactionOutput]


@operation("POST /v1/bitcoin/psbts/decode", effect=Effect.READ, errors=(Unavailable,))
def decode_psbt(request: DecodePsbt, node: BitcoinNode) -> PsbtView:
    """Read a PSBT: what it spends and pays, its fee, and which signatures are missing.

    Raises:
        Invalid: it is no PSBT.
    """
    found = decode(within(node), request.psbt)
    sized = found.fee_sat is not None and found.fee_sat >= 0 and bool(found.estimated_vsize)
    return PsbtView(
        txid=found.txid,
        valid=found.valid and (found.fee_sat is None or found.fee_sat >= 0),
        complete=bool(found.inputs) and all(one.final for one in found.inputs),
        next=found.next,
        fee_sat=found.fee_sat,
        estimated_vsize=found.estimated_vsize,
        estimated_feerate_sat_per_kvb=(found.fee_sat or 0) * 1000 // (found.estimated_vsize or 1) if sized else None,
        inputs=[PsbtInput.model_validate(one, from_attributes=True) for one in found.inputs],
        outputs=[read(TransactionOutput, one) for one in found.outputs],
    )
