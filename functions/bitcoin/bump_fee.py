"""Pay a waiting payment anew at a higher fee, once."""

from typing import Annotated

from pydantic import Field

from isthmus.bitcoin.amounts import MSAT
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.payments import CONNECTOR, connector
from isthmus.bitcoin.replacing import Bump
from isthmus.bitcoin.wanted import ChosenFeerate
from isthmus.failure import Conflict, Limited, NotFound, Precondition, Refused, Unavailable, Unknown
from isthmus.fields import FromHeader, Request, Response, Sat, Txid
from isthmus.ledger.answers import find
from isthmus.ledger.engine import Ledger
from isthmus.ledger.paying import pay, told
from isthmus.ledger.records import IdempotencyKey, PaymentId
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Caller, Clock, Deployment, Table


class BumpFee(Request):
    """Which payment, and what it may cost then."""

    payment_id: PaymentId
    max_fee_sat: Annotated[Sat, Field(ge=1)] = Field(description="the new fee may not be higher")
    feerate_sat_per_kvb: ChosenFeerate | None = Field(
        default=None, description="the new feerate; without it the node's estimate for target_blocks"
    )
    target_blocks: int = Field(default=2, ge=1, le=1008, description="in how many blocks it should confirm")
    idempotency_key: Annotated[IdempotencyKey, FromHeader("idempotency-key")]

    def spends_msat(self) -> int:
        """The highest fee; the budget pays only what the fee grows by."""
        return self.max_fee_sat * MSAT


class Bumped(Response):
    """The payment that took the place of the old one."""

    payment_id: str
    replaces_payment_id: str
    txid: Txid
    replaces_txid: Txid
    amount_sat: Sat = Field(description="to all recipients, the same as before")
    fee_sat: Sat
    vsize: int = Field(description="virtual bytes")
    change_index: int | None = Field(description="the output that comes back to the wallet")


@operation(
    "POST /v1/bitcoin/payments/{payment_id}/bump",
    effect=Effect.SPEND,
    status=201,
    errors=(Conflict, Limited, NotFound, Precondition, Refused, Unavailable, Unknown),
)
def bump_fee(
    request: BumpFee, caller: Caller, node: BitcoinNode, table: Table, clock: Clock, deployment: Deployment
) -> Bumped:
    """Replace a payment that waits by one that pays the same with the same coins and a higher fee (BIP 125).

    The old payment's record stays succeeded, since its recipients are paid once whichever of the two is mined, and
    says what replaced it.

    Raises:
        Conflict: the key was used for another request.
        NotFound: there is no such payment.
        Precondition: the payment is not settled yet.
        Refused: it is mined or replaced, or the fee is too low or above the cap; nothing was sent.
        Limited: the caller's budget is used up; nothing was sent.
        Unknown: no definite answer yet; the location says what became of it.
    """
    find(table, caller.tenant, request.payment_id)
    ledger = Ledger(table, {CONNECTOR: connector(table, within(node))}, clock.now_ms)
    bump = Bump(request.payment_id, request.max_fee_sat, request.feerate_sat_per_kvb, request.target_blocks)
    head = pay(ledger, "bitcoin.bump_fee", request, bump, caller, deployment.owner)
    replaced = head.data["detail"]["replaces"]
    return told(Bumped, head, replaces_payment_id=request.payment_id, replaces_txid=replaced)
