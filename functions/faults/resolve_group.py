"""Call a group of failures resolved."""

from dataclasses import replace

from isthmus.failure import Conflict, NotFound, Unavailable
from isthmus.faults.groups import find, save, standing
from isthmus.faults.models import GroupView, OfGroup, view
from isthmus.operation import Effect, operation
from isthmus.ports import Clock, Table


@operation("POST /v1/faults/groups/{group}/resolve", effect=Effect.CHANGE, errors=(NotFound, Conflict, Unavailable))
def resolve_group(request: OfGroup, table: Table, clock: Clock) -> GroupView:
    """Call the cause mended: when it happens again, the group has regressed."""
    now = clock.now_ms()
    mended = replace(find(table, request.group), resolved_ms=now, muted_until_ms=0)
    status = standing(mended, now)
    return view(save(table, replace(mended, status=status)), status)
