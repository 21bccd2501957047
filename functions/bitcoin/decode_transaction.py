"""What a serialized transaction says."""

from pydantic import Field

from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.views import TransactionOutput, outputs, read, undocumented
from isthmus.bitcoin.wanted import RawHex
from isthmus.failure import Unavailable
from isthmus.fields import Request, Response, Txid
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode

FINAL_SEQUENCE = 0xFFFFFFFE


class DecodeTransaction(Request):
    """The transaction."""

    transaction: RawHex


class DecodedInput(Response):
    """One input; what it spends is not in the transaction."""

    coinbase: bool
    txid: Txid | None = None
    vout: int | None = None
    sequence: int
    signed: bool = Field(description="whether it has a signature script or a witness, valid or not")


class DecodedTransaction(Response):
    """A transaction, as far as its own bytes say."""

    txid: Txid
    wtxid: Txid = Field(validation_alias="hash")
    version: int
    lock_time: int = Field(validation_alias="locktime")
    size: int
    vsize: int
    weight: int
    replaceable: bool = Field(description="whether an input signals replacement (BIP 125)")
    inputs: list[DecodedInput]
    outputs: list[TransactionOutput]


@operation("POST /v1/bitcoin/transactions/decode", effect=Effect.READ, errors=(Unavailable,))
def decode_transaction(request: DecodeTransaction, node: BitcoinNode) -> DecodedTransaction:
    """Read a transaction; nothing is looked up or checked against the chain.

    Raises:
        Invalid: it is no transaction, or pays an amount that there cannot be.
    """
    reply = within(node).call("decoderawtransaction", request.transaction)
    try:
        inputs = [read(DecodedInput, one, coinbase="coinbase" in one, signed=_signed(one)) for one in reply["vin"]]
        made = outputs(reply["vout"], "/transaction")
    except (LookupError, TypeError):
        raise undocumented() from None
    replaceable = any(one.sequence < FINAL_SEQUENCE for one in inputs)
    return read(DecodedTransaction, reply, inputs=inputs, outputs=made, replaceable=replaceable)


def _signed(one: dict[str, dict[str, str]]) -> bool:
    return bool(one.get("txinwitness")) or bool(one.get("scriptSig", {}).get("hex"))
