"""What the caller may still spend."""

from pydantic import Field

from isthmus.access.budgets import DAY_MS, HOUR_MS, MAX_OPEN, MINUTE_MS
from isthmus.access.limits import limits_of
from isthmus.access.reservations import standing
from isthmus.failure import Unavailable
from isthmus.fields import Msat, Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Clock, Deployment, Table


class GetBudget(Request):
    """Nothing: a caller sees its own budget only."""


class DayBudget(Response):
    """What may be spent in a rolling day, in millisatoshi."""

    limit_msat: Msat
    spent_msat: Msat = Field(description="settled within the day")
    reserved_msat: Msat = Field(description="held for what is not settled, however old")
    left_msat: Msat
    next_reset_ms: int | None = Field(description="when some of what was spent leaves the day; null if nothing was")


class HourBudget(Response):
    """How many requests may spend in a rolling hour."""

    limit: int
    used: int
    left: int
    next_reset_ms: int | None = Field(description="when some of them leave the hour; null if there are none")


class BudgetView(Response):
    """The caller's limits, and what is left; times in milliseconds since the epoch."""

    request_msat: Msat = Field(description="the most that one request may spend, in millisatoshi")
    day: DayBudget
    hour: HourBudget
    open_reservations: int = Field(description=f"how many there are; at most {MAX_OPEN}")


@operation("GET /v1/access/budget", effect=Effect.READ, errors=(Unavailable,))
def get_budget(request: GetBudget, caller: Caller, table: Table, clock: Clock, deployment: Deployment) -> BudgetView:
    """The caller's own limits, what of them is used and reserved, what is left, and when there is more again."""
    limits = limits_of(table, deployment.owner, caller)
    now = standing(table, caller.id, clock.now_ms())
    day = DayBudget(
        limit_msat=limits.day_msat,
        spent_msat=now.spent_msat,
        reserved_msat=now.reserved_msat,
        left_msat=max(0, limits.day_msat - now.spent_msat - now.reserved_msat),
        next_reset_ms=(min(now.hours) + 1) * HOUR_MS + DAY_MS if now.hours else None,
    )
    hour = HourBudget(
        limit=limits.hour_count,
        used=now.count,
        left=max(0, limits.hour_count - now.count),
        next_reset_ms=(min(now.minutes) + 1) * MINUTE_MS + HOUR_MS if now.minutes else None,
    )
    return BudgetView(request_msat=limits.max_msat, day=day, hour=hour, open_reservations=len(now.opened))
