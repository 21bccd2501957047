"""Make groups of what failed."""

from pydantic import Field

from isthmus.failure import Unavailable
from isthmus.faults import analysis, news
from isthmus.faults.models import GroupId
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Bus, Clock, Table


class AnalyzeFaults(Request):
    """Nothing to say."""


class FaultAnalysis(Response):
    """What was found."""

    reports: int = Field(description="how many reports became part of a group")
    groups: int = Field(description="how many groups there are")
    escalated: tuple[GroupId, ...] = Field(description="the groups that have begun to escalate")
    told: int = Field(description="how much was published")


@operation(effect=Effect.CHANGE, schedule="rate(1 minute)", errors=(Unavailable,), timeout_s=50)
def analyze_faults(request: AnalyzeFaults, table: Table, bus: Bus, clock: Clock) -> FaultAnalysis:
    """Empty the inbox of failures into groups by cause, and publish which are new, escalate or are back."""
    found = analysis.analyze(table, clock.now_ms())
    told = news.tell(table, bus, clock.now_ms())
    return FaultAnalysis(reports=found.reports, groups=found.groups, escalated=found.escalated, told=told)
