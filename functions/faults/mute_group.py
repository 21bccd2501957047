"""Keep a group of failures quiet."""

from dataclasses import replace

from pydantic import Field

from isthmus.failure import Conflict, NotFound, Unavailable
from isthmus.faults.groups import find, save, standing
from isthmus.faults.models import GroupView, OfGroup, view
from isthmus.faults.trends import HOUR_MS
from isthmus.operation import Effect, operation
from isthmus.ports import Clock, Table


class MuteGroup(OfGroup):
    """Which group, and for how long."""

    hours: int = Field(ge=0, le=24 * 90, description="for how many hours; 0 ends it")


@operation("POST /v1/faults/groups/{group}/mute", effect=Effect.CHANGE, errors=(NotFound, Conflict, Unavailable))
def mute_group(request: MuteGroup, table: Table, clock: Clock) -> GroupView:
    """Count the group on without it escalating, for some hours."""
    now = clock.now_ms()
    quiet = replace(find(table, request.group), muted_until_ms=now + request.hours * HOUR_MS if request.hours else 0)
    status = standing(quiet, now)
    return view(save(table, replace(quiet, status=status)), status)
