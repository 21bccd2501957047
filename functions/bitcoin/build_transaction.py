"""A payment that nobody has signed yet."""

from pydantic import Field

from isthmus.bitcoin.building import check
from isthmus.bitcoin.cosigners import for_signers
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.funding import arriving_sat, funded_to_sign
from isthmus.bitcoin.payments import CONNECTOR
from isthmus.bitcoin.wanted import WantedPayment
from isthmus.failure import Funds, NotFound, Precondition, Refused, Unavailable
from isthmus.fields import Response, Sat
from isthmus.ledger.records import leased
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Caller, Table


class BuildTransaction(WantedPayment):
    """A payment as it is wanted."""


class UnsignedTransaction(Response):
    """The payment with inputs and change, without signatures."""

    psbt: str = Field(description="PSBT (BIP 174), base64")
    amount_sat: Sat = Field(description="to all recipients, the fee not counted")
    fee_sat: Sat
    change_index: int | None = Field(description="the output that comes back to the wallet")


@operation(
    "POST /v1/bitcoin/psbts",
    effect=Effect.CHANGE,
    errors=(Funds, NotFound, Precondition, Refused, Unavailable),
)
def build_transaction(
    request: BuildTransaction, caller: Caller, node: BitcoinNode, table: Table
) -> UnsignedTransaction:
    """Choose coins and change for a payment and give it away unsigned, for signers that are elsewhere.

    The PSBT has what signers ask for: where each key comes from, the transactions that are spent from, and the extended
    keys of those who sign together. It uses up a change address. Nothing holds the coins: until it is broadcast,
    another payment may spend them.

    Raises:
        Invalid: an address is not one of the node's network, an amount is dust, something is named twice or cannot be
            spent.
        Funds: the wallet cannot pay this.
        Precondition: a named coin belongs to a payment that is not settled; the wallet has no key for change.
        Refused: the fee would be above the cap.
    """
    node, draft = within(node), request.draft(caller.tenant)
    check(node, draft)
    funded = funded_to_sign(node, draft, leased(table, CONNECTOR))
    psbt = for_signers(node, draft.wallet, funded.psbt)
    return UnsignedTransaction(
        psbt=psbt, amount_sat=arriving_sat(draft, funded), fee_sat=funded.fee_sat, change_index=funded.change_index
    )
