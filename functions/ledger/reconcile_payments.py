"""Find out what became of payments that nobody knows the outcome of."""

from isthmus.bitcoin import payments, signing
from isthmus.bitcoin.deadline import within
from isthmus.effects import Connector
from isthmus.failure import Integrity, Unavailable
from isthmus.fields import Request, Response
from isthmus.ledger.engine import Ledger
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Clock, Table

WORKING_MS = 20_000


class ReconcilePayments(Request):
    """Nothing to ask."""


class Reconciled(Response):
    """How many payments were looked after, by the state they are in then."""

    states: dict[str, int]


@operation(
    "POST /v1/ledger/reconcile", effect=Effect.CHANGE, schedule="rate(1 minute)", errors=(Integrity, Unavailable)
)
def reconcile_payments(request: ReconcilePayments, node: BitcoinNode, table: Table, clock: Clock) -> Reconciled:
    """Look up every unsettled payment that is due, and send again, under the same identity, what nobody has seen.

    Raises:
        Integrity: a payment contradicts its record or its budget; the others were looked after all the same.
    """
    node = within(node, WORKING_MS / 1000)
    connectors: dict[str, Connector] = {
        payments.CONNECTOR: payments.connector(table, node),
        signing.CONNECTOR: signing.connector(table, node),
    }
    ledger = Ledger(table, connectors, clock.now_ms)
    return Reconciled(states=dict(ledger.reconcile(until_ms=clock.now_ms() + WORKING_MS)))
