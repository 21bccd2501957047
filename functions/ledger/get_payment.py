"""What became of a payment."""

from isthmus.bitcoin.on_chain import on_chain
from isthmus.failure import NotFound, Unavailable
from isthmus.fields import Request
from isthmus.ledger.answers import PaymentView, find, view
from isthmus.ledger.records import PaymentId
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Table


class GetPayment(Request):
    """Which payment."""

    payment_id: PaymentId


@operation("GET /v1/ledger/payments/{payment_id}", effect=Effect.READ, errors=(NotFound, Unavailable))
def get_payment(request: GetPayment, caller: Caller, table: Table) -> PaymentView:
    """What the ledger knows of a payment of the caller's tenant, and what was seen of its transaction."""
    head = find(table, caller.tenant, request.payment_id)
    return view(head, on_chain(table, head))
