"""How the system's neighbours are."""

from functools import partial

from pydantic import Field

from isthmus.bitcoin.state import shortcoming
from isthmus.fields import Request, Response
from isthmus.health import DEADLINE_S, Status, ask, worst
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Blobs, Table


class GetHealth(Request):
    """Nothing to ask."""


class NeighbourHealth(Response):
    """One neighbour; degraded is one that answers but is not ready."""

    status: Status
    latency_ms: int = Field(ge=0)
    reason: str | None = Field(description="the code of what is wrong, as problem types end with")


class HealthReport(Response):
    """All neighbours, and the weakest one's status as the whole's."""

    status: Status
    bitcoin: NeighbourHealth
    table: NeighbourHealth
    blobs: NeighbourHealth


@operation("GET /v1/health", effect=Effect.READ, timeout_s=10, guarded=False)
def health(request: GetHealth, node: BitcoinNode, table: Table, blobs: Blobs) -> HealthReport:
    """How the Bitcoin node and the stores are, asked at the same time; the answer is 200 whatever it says."""

    def tables() -> None:
        table.get("health", "probe")

    def keys() -> None:
        blobs.list("health/", limit=1)

    found = ask({"bitcoin": partial(shortcoming, node, DEADLINE_S - 0.5), "table": tables, "blobs": keys})
    seen = {name: NeighbourHealth.model_validate(one, from_attributes=True) for name, one in found.items()}
    return HealthReport(status=worst(found), **seen)
