"""The groups of failures."""

from pydantic import Field

from isthmus.failure import Unavailable
from isthmus.faults.groups import Status, everything, standing
from isthmus.faults.models import GroupView, view
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Clock, Table


class ListGroups(Request):
    """Which groups."""

    status: Status | None = Field(default=None, description="only these")
    limit: int = Field(default=50, ge=1, le=200, description="how many")


class Groups(Response):
    """Groups, those that happened last first."""

    groups: tuple[GroupView, ...]
    total: int = Field(description="how many there are of this status")


@operation("GET /v1/faults/groups", effect=Effect.READ, errors=(Unavailable,))
def list_groups(request: ListGroups, table: Table, clock: Clock) -> Groups:
    """Failures by their cause, those that happened last first."""
    now = clock.now_ms()
    shown = [view(group, standing(group, now)) for group in everything(table)]
    fitting = [one for one in shown if request.status in (None, one.status)]
    return Groups(groups=tuple(fitting[: request.limit]), total=len(fitting))
