"""Which neighbours are not asked at the moment."""

from isthmus.failure import Unavailable
from isthmus.faults.breaker import PARTITION, breaker_of
from isthmus.faults.models import BreakerView
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Table
from isthmus.storage.table import MAX_PAGE


class ListBreakers(Request):
    """Nothing to ask."""


class Breakers(Response):
    """Breakers by their name; a neighbour that never failed has none."""

    breakers: tuple[BreakerView, ...]


@operation("GET /v1/faults/breakers", effect=Effect.READ, errors=(Unavailable,))
def list_breakers(request: ListBreakers, table: Table) -> Breakers:
    """The circuit breakers of neighbours, and the brakes on what spends."""
    rows = table.query(PARTITION, limit=MAX_PAGE).rows
    return Breakers(breakers=tuple(BreakerView.of(row.sk, breaker_of(row.item)) for row in rows))
