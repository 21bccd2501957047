"""A wallet's signature on a transaction that was built elsewhere."""

from typing import Annotated

from pydantic import Field

from isthmus.bitcoin import signing
from isthmus.bitcoin.amounts import MSAT
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.psbts import finalized
from isthmus.bitcoin.signing import CONNECTOR, ToSign
from isthmus.bitcoin.wallets import node_wallet
from isthmus.bitcoin.wanted import Psbt, WalletName
from isthmus.failure import Conflict, Limited, NotFound, Precondition, Refused, Unavailable, Unknown
from isthmus.fields import FromHeader, Request, Response, Sat, Txid
from isthmus.ledger.engine import Ledger
from isthmus.ledger.paying import pay, told
from isthmus.ledger.records import IdempotencyKey
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Caller, Clock, Deployment, Table


class SignTransaction(Request):
    """Who signs what, and how much may leave by it."""

    wallet: WalletName
    psbt: Psbt
    max_spent_sat: Annotated[Sat, Field(ge=1)] = Field(
        description="the most that may leave: all inputs less what comes back to the wallet, so the fee included"
    )
    idempotency_key: Annotated[IdempotencyKey, FromHeader("idempotency-key")]

    def spends_msat(self) -> int:
        """What the caller allows: whoever has the signature can spend it."""
        return self.max_spent_sat * MSAT


class SignedTransaction(Response):
    """The PSBT with the wallet's signatures."""

    payment_id: str
    psbt: str = Field(description="PSBT (BIP 174), base64")
    txid: Txid = Field(
        description="of the transaction without signatures; the same in the end, if all inputs are segwit"
    )
    complete: bool = Field(description="whether every input is signed")
    transaction: str | None = Field(description="hexadecimal, to be broadcast; null until it is complete")
    spent_sat: Sat = Field(description="counted in the caller's budget")
    fee_sat: Sat | None


@operation(
    "POST /v1/bitcoin/psbts/sign",
    effect=Effect.SPEND,
    errors=(Conflict, Limited, NotFound, Precondition, Refused, Unavailable, Unknown),
)
def sign_transaction(
    request: SignTransaction, caller: Caller, node: BitcoinNode, table: Table, clock: Clock, deployment: Deployment
) -> SignedTransaction:
    """Sign a PSBT with a wallet's keys, record it and give it away; what it lets go counts as spent.

    Whoever has a signed transaction can broadcast it without asking, so signing needs the permission, the limits and
    the Idempotency-Key of a payment. Broadcasting it here later counts again.

    Raises:
        Conflict: the key was used for another request.
        Precondition: the wallet has none of the keys, or is locked, or an unsettled payment holds a coin.
        Refused: more would leave than was said, or what waits spends the same coins; nothing was signed.
        Limited: the caller's budget is used up; nothing was given away.
    """
    node = within(node)
    ledger = Ledger(table, {CONNECTOR: signing.connector(table, node)}, clock.now_ms)
    asked = ToSign(node_wallet(caller.tenant, request.wallet), request.psbt, request.max_spent_sat)
    head = pay(ledger, "bitcoin.sign_transaction", request, asked, caller, deployment.owner)
    psbt = head.data["payload"]
    signed = finalized(node, psbt) if head.data["detail"]["complete"] else None
    return told(SignedTransaction, head, psbt=psbt, transaction=signed)
