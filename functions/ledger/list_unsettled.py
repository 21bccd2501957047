"""Which payments are not settled."""

from pydantic import Field

from isthmus.failure import Unavailable
from isthmus.fields import Request, Response
from isthmus.journal import load
from isthmus.ledger.answers import PaymentView, view
from isthmus.ledger.records import UNSETTLED, PaymentId, aggregate
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Table


class ListUnsettled(Request):
    """Which page."""

    after: PaymentId | None = Field(default=None, description="`next` of the page before")
    limit: int = Field(default=50, ge=1, le=200)


class Unsettled(Response):
    """Payments without a definite outcome; those in needs-person wait for settle_by_hand."""

    payments: tuple[PaymentView, ...]
    next: str | None = Field(description="ask for it as `after`; null at the end")


@operation("GET /v1/ledger/unsettled", effect=Effect.READ, errors=(Unavailable,))
def list_unsettled(request: ListUnsettled, caller: Caller, table: Table) -> Unsettled:
    """The payments of the caller's tenant whose outcome is not known yet."""
    page = table.query(UNSETTLED, after=request.after, limit=request.limit)
    heads = (load(table, aggregate(row.sk)) for row in page.rows)
    mine = (head for head in heads if head is not None and head.data["tenant"] == caller.tenant)
    return Unsettled(payments=tuple(view(head) for head in mine), next=page.after)
