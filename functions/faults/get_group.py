"""One group of failures."""

from isthmus.failure import NotFound, Unavailable
from isthmus.faults.groups import find, standing
from isthmus.faults.models import GroupDetails, HourCount, OfGroup, Sample, view
from isthmus.faults.trends import HOUR_MS
from isthmus.operation import Effect, operation
from isthmus.ports import Clock, Table


@operation("GET /v1/faults/groups/{group}", effect=Effect.READ, errors=(NotFound, Unavailable))
def get_group(request: OfGroup, table: Table, clock: Clock) -> GroupDetails:
    """What is known of the failures with one cause: the last five, and how many in each hour of eight days."""
    group = find(table, request.group)
    return GroupDetails(
        **view(group, standing(group, clock.now_ms())).model_dump(),
        samples=tuple(Sample.model_validate(sample) for sample in group.samples),
        hours=tuple(HourCount(hour_ms=hour * HOUR_MS, count=count) for hour, count in group.hours),
        releases=group.releases,
        resolved_ms=group.resolved_ms,
        muted_until_ms=group.muted_until_ms,
    )
