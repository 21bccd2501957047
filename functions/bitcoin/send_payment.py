"""Pay from one of the node's wallets, once."""

from typing import Annotated

from pydantic import Field

from isthmus.bitcoin.amounts import MSAT
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.payments import CONNECTOR, connector
from isthmus.bitcoin.wanted import WantedPayment
from isthmus.failure import Conflict, Funds, Limited, NotFound, Precondition, Refused, Unavailable, Unknown
from isthmus.fields import FromHeader, Response, Sat, Txid
from isthmus.ledger.engine import Ledger
from isthmus.ledger.paying import pay, told
from isthmus.ledger.records import IdempotencyKey
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Caller, Clock, Deployment, Table


class SendPayment(WantedPayment):
    """A payment as it is wanted, and its key."""

    idempotency_key: Annotated[IdempotencyKey, FromHeader("idempotency-key")]

    def spends_msat(self) -> int:
        """All amounts and the highest fee."""
        return (sum(one.amount_sat for one in self.recipients) + self.max_fee_sat) * MSAT


class SentPayment(Response):
    """A payment that the network has."""

    payment_id: str
    txid: Txid
    amount_sat: Sat = Field(description="to all recipients, the fee not counted")
    fee_sat: Sat
    vsize: int = Field(description="virtual bytes")
    change_index: int | None = Field(description="the output that comes back to the wallet")


@operation(
    "POST /v1/bitcoin/payments",
    effect=Effect.SPEND,
    status=201,
    errors=(Conflict, Funds, Limited, NotFound, Precondition, Refused, Unavailable, Unknown),
)
def send_payment(
    request: SendPayment, caller: Caller, node: BitcoinNode, table: Table, clock: Clock, deployment: Deployment
) -> SentPayment:
    """Build, sign, record and broadcast a payment: the same Idempotency-Key never pays twice.

    Raises:
        Conflict: the key was used for another request.
        Funds, Precondition, Refused: it cannot be done; nothing was sent.
        Limited: the caller's budget is used up; nothing was sent.
        Unknown: no definite answer yet; the location says what became of it.
    """
    ledger = Ledger(table, {CONNECTOR: connector(table, within(node))}, clock.now_ms)
    draft = request.draft(caller.tenant)
    return told(SentPayment, pay(ledger, "bitcoin.send_payment", request, draft, caller, deployment.owner))
