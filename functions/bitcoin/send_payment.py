"""Pay from one of the node's wallets, once."""

from typing import Annotated

from pydantic import Field

from isthmus.access.limits import limits_of
from isthmus.bitcoin.building import MAX_RECIPIENTS, Draft, Recipient
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.payments import CONNECTOR, MSAT, connector
from isthmus.bitcoin.wallets import WALLET_NAME, node_wallet
from isthmus.failure import Conflict, Funds, Limited, NotFound, Precondition, Refused, Unavailable, Unknown
from isthmus.fields import FeerateSatPerKvb, FromHeader, Request, Response, Sat, Txid
from isthmus.ledger.answers import settled
from isthmus.ledger.engine import Ledger
from isthmus.ledger.records import IdempotencyKey, Intent
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Caller, Clock, Deployment, Table

Outpoint = Annotated[str, Field(pattern=r"^[0-9a-f]{64}:(0|[1-9][0-9]{0,5})$", description="txid:vout")]


class PayTo(Request):
    """Whom to pay how much."""

    address: str = Field(min_length=14, max_length=90)
    amount_sat: Annotated[Sat, Field(ge=1)]


class SendPayment(Request):
    """A payment as it is wanted."""

    wallet: str = Field(pattern=WALLET_NAME)
    recipients: list[PayTo] = Field(min_length=1, max_length=MAX_RECIPIENTS)
    max_fee_sat: Sat = Field(description="the fee may not be higher; part of what the budget is asked for")
    feerate_sat_per_kvb: Annotated[FeerateSatPerKvb, Field(ge=1, le=100_000_000)] | None = Field(
        default=None, description="the feerate; without it the node's estimate for target_blocks"
    )
    target_blocks: int = Field(default=6, ge=1, le=1008, description="in how many blocks it should confirm")
    subtract_fee: list[Annotated[int, Field(ge=0, le=MAX_RECIPIENTS - 1)]] = Field(
        default=[], max_length=MAX_RECIPIENTS, description="which recipients, by index, share the fee"
    )
    coins: list[Outpoint] = Field(default=[], max_length=60, description="spend these coins and no others")
    replaceable: bool = Field(default=True, description="whether it signals replacement by fee (BIP 125)")
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
    wanted = request.model_dump(mode="json", exclude={"idempotency_key"})
    intent = Intent("bitcoin.send_payment", CONNECTOR, caller, request.idempotency_key, wanted)
    draft = Draft(
        wallet=node_wallet(caller.tenant, request.wallet),
        recipients=[Recipient(one.address, one.amount_sat) for one in request.recipients],
        max_fee_sat=request.max_fee_sat,
        feerate_sat_per_kvb=request.feerate_sat_per_kvb,
        target_blocks=request.target_blocks,
        subtract_fee=request.subtract_fee,
        coins=request.coins,
        replaceable=request.replaceable,
    )
    head = settled(ledger.pay(intent, draft, limits_of(table, deployment.owner, caller)))
    detail = {name: head.data["detail"][name] for name in SentPayment.model_fields if name != "payment_id"}
    return SentPayment(payment_id=intent.payment_id, **detail)
