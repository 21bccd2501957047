"""What became of a payment."""

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
    """What the ledger knows of a payment of the caller's tenant."""
    return view(find(table, caller.tenant, request.payment_id))
