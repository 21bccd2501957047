"""What fails more than it used to."""

from pydantic import Field

from isthmus.failure import Unavailable
from isthmus.faults.groups import Group, everything, standing
from isthmus.faults.models import GroupView, view
from isthmus.faults.trends import HOUR_MS, expected
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Clock, Table


class GetTrends(Request):
    """How many."""

    limit: int = Field(default=20, ge=1, le=200, description="how many")


class Trend(Response):
    """How one group moves."""

    group: GroupView
    this_hour: int
    last_hour: int
    expected_per_hour: int | None = Field(description="rounded up; null while too few hours are known")
    last_day: int = Field(description="the last 24 hours, this one included")
    day_before: int


class Trends(Response):
    """Groups, those first that grew most since the day before."""

    trends: tuple[Trend, ...]


@operation("GET /v1/faults/trends", effect=Effect.READ, errors=(Unavailable,))
def get_trends(request: GetTrends, table: Table, clock: Clock) -> Trends:
    """How often each cause made something fail, against how often it should have, top movers first."""
    now = clock.now_ms()
    moved = [_trend(group, now) for group in everything(table)]
    moved.sort(key=lambda one: one.last_day - one.day_before, reverse=True)
    return Trends(trends=tuple(moved[: request.limit]))


def _trend(group: Group, now_ms: int) -> Trend:
    hours, hour = dict(group.hours), now_ms // HOUR_MS
    usual = expected(hours, group.first_seen_ms // HOUR_MS, hour)
    return Trend(
        group=view(group, standing(group, now_ms)),
        this_hour=hours.get(hour, 0),
        last_hour=hours.get(hour - 1, 0),
        expected_per_hour=None if usual is None else -int(-usual.mean // 1),
        last_day=sum(hours.get(hour - back, 0) for back in range(24)),
        day_before=sum(hours.get(hour - back, 0) for back in range(24, 48)),
    )
