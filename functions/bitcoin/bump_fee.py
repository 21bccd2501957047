"""Have a transaction that waits mined sooner, at a higher fee, once."""

from typing import Annotated, Literal

from pydantic import Field

from isthmus.bitcoin.amounts import MSAT
from isthmus.bitcoin.cpfp import Child
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.payments import CONNECTOR, connector
from isthmus.bitcoin.replacing import Bump
from isthmus.bitcoin.wallets import node_wallet
from isthmus.bitcoin.wanted import ChosenFeerate, WalletName
from isthmus.failure import (
    Conflict,
    FieldError,
    Invalid,
    Limited,
    NotFound,
    Precondition,
    Refused,
    Unavailable,
    Unknown,
)
from isthmus.fields import FeerateSatPerKvb, FromHeader, Request, Response, Sat, Txid
from isthmus.ledger.answers import find
from isthmus.ledger.engine import Ledger
from isthmus.ledger.paying import pay, told
from isthmus.ledger.records import IdempotencyKey, PaymentId
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Caller, Clock, Deployment, Table


class BumpFee(Request):
    """Which payment, or which transaction that pays which wallet; and what it may cost."""

    payment_id: PaymentId | None = Field(default=None, description="either this: a payment to be replaced")
    txid: Txid | None = Field(default=None, description="or this: a transaction that waits, to get a child")
    wallet: WalletName | None = Field(default=None, description="with txid: the wallet that it pays, and that pays")
    max_fee_sat: Annotated[Sat, Field(ge=1)] = Field(
        description="the fee of the transaction that is made may not be higher"
    )
    feerate_sat_per_kvb: ChosenFeerate | None = Field(
        default=None, description="what is to be reached; without it the node's estimate for target_blocks"
    )
    target_blocks: int = Field(default=2, ge=1, le=1008, description="in how many blocks it should confirm")
    idempotency_key: Annotated[IdempotencyKey, FromHeader("idempotency-key")]

    def spends_msat(self) -> int:
        """The highest fee; the budget pays only what the fee grows by, or the child's."""
        return self.max_fee_sat * MSAT

    def asked(self, tenant: str) -> Bump | Child:
        """One of the two ways.

        Raises:
            Invalid: it names none or both.
        """
        price = (self.max_fee_sat, self.feerate_sat_per_kvb, self.target_blocks)
        if self.payment_id is not None and self.txid is None and self.wallet is None:
            return Bump(self.payment_id, *price)
        if self.payment_id is None and self.txid is not None and self.wallet is not None:
            return Child(node_wallet(tenant, self.wallet), self.txid, *price)
        raise Invalid(
            "A fee is raised for exactly one transaction.",
            next_step="Name payment_id alone, or txid together with wallet.",
            code="bitcoin/which-transaction",
            errors=(FieldError("/payment_id" if self.payment_id else "/txid", "is not what the others go with"),),
        )


class Bumped(Response):
    """The transaction that was made."""

    method: Literal["replacement", "child"] = Field(
        description="replacement: the same coins and outputs at a higher fee (BIP 125); child: it spends what the "
        "other one pays the wallet, and pays for both (CPFP)"
    )
    payment_id: str
    txid: Txid
    replaces_payment_id: str | None
    replaces_txid: Txid | None = Field(description="what can no longer be mined, if this is")
    parent_txid: Txid | None = Field(description="what the child pays for")
    amount_sat: Sat = Field(description="to all recipients, the same as before; 0 for a child")
    fee_sat: Sat
    vsize: int = Field(description="virtual bytes")
    feerate_sat_per_kvb: FeerateSatPerKvb = Field(
        description="at which it is mined, together with what it spends from and would be mined after it otherwise"
    )
    change_index: int | None = Field(description="the output that comes back to the wallet")


@operation(
    "POST /v1/bitcoin/fee-bumps",
    effect=Effect.SPEND,
    status=201,
    errors=(Conflict, Limited, NotFound, Precondition, Refused, Unavailable, Unknown),
)
def bump_fee(
    request: BumpFee, caller: Caller, node: BitcoinNode, table: Table, clock: Clock, deployment: Deployment
) -> Bumped:
    """Raise the fee of a payment that waits, or pay for somebody else's transaction that does.

    With `payment_id` the payment is replaced by one that pays the same with the same coins and a higher fee (BIP 125).
    Its record stays succeeded, since its recipients are paid once whichever of the two is mined, and says what replaced
    it. With `txid` and `wallet` a child is made, which spends what the transaction pays the wallet, pays it to a fresh
    address of the same wallet, and has a fee for both (child pays for parent). That goes for every transaction that
    pays the wallet, also for its own payments with change, though a replacement is cheaper for those.

    Raises:
        Conflict: the key was used for another request.
        NotFound: there is no such payment, wallet or transaction.
        Precondition: the payment is not settled yet, or a payment that is not holds what the child would spend; the
            wallet has no keys; the mempool does not have the transaction, or in too long a chain.
        Refused: it is mined or replaced, or pays the wallet nothing unspent or too little; the fee is too low or above
            the cap; nothing was sent.
        Limited: the caller's budget is used up; nothing was sent.
        Unknown: no definite answer yet; the location says what became of it.
    """
    asked = request.asked(caller.tenant)
    if request.payment_id is not None:
        find(table, caller.tenant, request.payment_id)
    ledger = Ledger(table, {CONNECTOR: connector(table, within(node))}, clock.now_ms)
    head = pay(ledger, "bitcoin.bump_fee", request, asked, caller, deployment.owner)
    return told(Bumped, head, replaces_payment_id=request.payment_id)
