"""Send a transaction that was signed anywhere, by one or by several, once."""

from typing import Annotated

from pydantic import Field

from isthmus.bitcoin.amounts import MSAT
from isthmus.bitcoin.broadcasting import RawTransaction
from isthmus.bitcoin.cosigners import MAX_PSBTS
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.payments import CONNECTOR, connector
from isthmus.bitcoin.wallets import node_wallet
from isthmus.bitcoin.wanted import Psbt, RawHex, WalletName
from isthmus.failure import Conflict, Limited, NotFound, Precondition, Refused, Unavailable, Unknown
from isthmus.fields import FromHeader, Request, Response, Sat, Txid
from isthmus.ledger.engine import Ledger
from isthmus.ledger.paying import pay, told
from isthmus.ledger.records import IdempotencyKey
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Caller, Clock, Deployment, Table


class BroadcastTransaction(Request):
    """A signed transaction, as exactly one of transaction and psbts, and what it may spend."""

    transaction: RawHex | None = None
    psbts: list[Psbt] = Field(
        default=[],
        max_length=MAX_PSBTS,
        description="what the signers of one transaction gave back, finalized or not; all signatures together",
    )
    max_spent_sat: Annotated[Sat, Field(ge=1)] = Field(
        description="the most it may spend, fee included; outputs that belong to `wallet` are not counted"
    )
    wallet: WalletName | None = Field(default=None, description="whose change it has")
    idempotency_key: Annotated[IdempotencyKey, FromHeader("idempotency-key")]

    def spends_msat(self) -> int:
        """What the caller allows."""
        return self.max_spent_sat * MSAT


class Broadcast(Response):
    """A transaction that the network has."""

    payment_id: str
    txid: Txid
    spent_sat: Sat = Field(description="counted in the caller's budget; 0 when the network had it already")
    fee_sat: Sat | None
    vsize: int = Field(description="virtual bytes")
    known: bool = Field(description="whether the node had it before, waiting or mined")


@operation(
    "POST /v1/bitcoin/transactions",
    effect=Effect.SPEND,
    status=201,
    errors=(Conflict, Limited, NotFound, Precondition, Refused, Unavailable, Unknown),
)
def broadcast_transaction(
    request: BroadcastTransaction, caller: Caller, node: BitcoinNode, table: Table, clock: Clock, deployment: Deployment
) -> Broadcast:
    """Try, record and broadcast a signed transaction; one that the network has already is a success.

    PSBTs are combined and finalized first. It never replaces another transaction that waits: bump_fee does.

    Raises:
        Invalid: it is no transaction; the PSBTs are of several ones, or lack signatures, and which. Nothing was sent.
        Conflict: the key was used for another request.
        Precondition: a payment that is not settled holds one of its coins.
        Refused: the node would not take it, or it spends more than was said; nothing was sent.
        Limited: the caller's budget is used up; nothing was sent.
        Unknown: no definite answer yet; the location says what became of it.
    """
    ledger = Ledger(table, {CONNECTOR: connector(table, within(node))}, clock.now_ms)
    wallet = "" if request.wallet is None else node_wallet(caller.tenant, request.wallet)
    signed = RawTransaction(request.transaction, request.psbts, wallet, request.max_spent_sat)
    return told(Broadcast, pay(ledger, "bitcoin.broadcast_transaction", request, signed, caller, deployment.owner))
