"""What the operations on groups of failures are asked and answer."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from isthmus.faults.groups import Group, Status
from isthmus.fields import Request, Response

GroupId = Annotated[str, Field(pattern=r"^v[0-9]{1,3}:[0-9a-f]{64}$", description="the group's id, as in a problem")]
TimeMs = Annotated[int, Field(ge=0, description="milliseconds since the epoch")]


class OfGroup(Request):
    """One group."""

    group: GroupId


class GroupView(Response):
    """Failures with one cause."""

    model_config = ConfigDict(from_attributes=True, extra="ignore")

    group: GroupId
    status: Status
    operation: str
    kind: str
    severity: Literal["info", "notice", "warning", "error", "critical"]
    system: str = Field(description="the neighbour that refused, empty if none did")
    upstream_code: str = Field(description="the neighbour's own code")
    total: int
    first_seen_ms: TimeMs
    last_seen_ms: TimeMs


class Sample(Response):
    """One of the last failures, with everything variable taken out of its sentence."""

    at_ms: TimeMs
    instance: str = Field(description="the request's id, as in the logs")
    channel: str
    code: str
    detail: str
    release: str


class HourCount(Response):
    """How often in one hour."""

    hour_ms: TimeMs
    count: int


class GroupDetails(GroupView):
    """Failures with one cause: the last of them, and how many in each hour that had any."""

    samples: tuple[Sample, ...]
    hours: tuple[HourCount, ...]
    releases: tuple[str, ...]
    resolved_ms: TimeMs
    muted_until_ms: TimeMs


def view(group: Group, status: Status) -> GroupView:
    """A group as lists show it."""
    return GroupView.model_validate(group).model_copy(update={"status": status})
