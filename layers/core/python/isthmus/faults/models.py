"""What the operations on groups of failures are asked and answer."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field

from isthmus.faults import breaker, letters
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


LetterId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="the letter's id")]


class OfLetter(Request):
    """One letter."""

    letter_id: LetterId


class LetterView(Response):
    """An event on which a function failed for good."""

    model_config = ConfigDict(from_attributes=True, extra="ignore")

    letter_id: LetterId
    state: letters.State
    function: str
    event: str = Field(description="what the function was given, as JSON; empty if it was too large to keep")
    error: str = Field(description="the type of the last error")
    reason: str = Field(description="why it was given up: RetriesExhausted or EventAgeExceeded")
    attempts: int = Field(description="how often the function was invoked with it")
    failures: int = Field(description="how often all attempts were in vain")
    first_ms: TimeMs
    last_ms: TimeMs
    redriven_ms: TimeMs
    discarded: str = Field(description="why it is not repeated, if somebody decided so")


class BreakerView(Response):
    """Whether a neighbour is asked; for `spend:<domain>`, whether the domain may spend."""

    neighbour: str
    state: breaker.State
    outages: int = Field(description="in a row, while it is closed")
    since_ms: TimeMs = Field(description="when the first of them was, or when it opened")
    until_ms: TimeMs = Field(description="when the next request may find out whether the neighbour is back")
    pause_ms: int

    @classmethod
    def of(cls, name: str, one: breaker.Breaker) -> Self:
        """A breaker as lists show it."""
        shown = {field: getattr(one, field) for field in ("state", "outages", "since_ms", "until_ms", "pause_ms")}
        return cls(neighbour=name, **shown)
