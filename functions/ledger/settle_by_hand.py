"""Say what became of a payment that nothing but people can tell."""

from pydantic import Field

from isthmus.failure import Conflict, Forbidden, Integrity, NotFound, Unavailable
from isthmus.fields import Msat, Request
from isthmus.ledger import by_hand
from isthmus.ledger.answers import PaymentView, find, view
from isthmus.ledger.by_hand import Verdict
from isthmus.ledger.engine import Ledger
from isthmus.ledger.records import PaymentId
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Clock, Table


class SettleByHand(Request):
    """Which payment, and what a person says of it."""

    payment_id: PaymentId
    verdict: Verdict = Field(description="what became of it; withdrawn takes a proposal back")
    evidence: str = Field(min_length=10, max_length=2000, description="what you have seen; it is kept for ever")
    spent_msat: Msat | None = Field(default=None, description="with succeeded: what it cost, fees included")


@operation(
    "POST /v1/ledger/payments/{payment_id}/settle",
    effect=Effect.CHANGE,
    errors=(Conflict, Forbidden, Integrity, NotFound, Unavailable),
)
def settle_by_hand(request: SettleByHand, caller: Caller, table: Table, clock: Clock) -> PaymentView:
    """Propose what became of a payment in needs-person; a second person who says the same settles it for ever.

    Refused gives its budget and its coins free: be sure that it can never happen any more.

    Raises:
        Conflict: the payment waits for nobody, or the other person said something else.
        Forbidden: the caller is no person, or is the one who proposed it.
    """
    head = find(table, caller.tenant, request.payment_id)
    ledger = Ledger(table, {}, clock.now_ms)
    said = by_hand.settle(ledger, head, caller, request.verdict, request.evidence, request.spent_msat)
    return view(said)
