"""Groups of failures with one cause: what is kept of each, and where each stands.

A group is one item under `faults/groups`. Its status follows from what is kept and the time, in this order:

    muted       somebody muted it and the time is not over
    resolved    somebody resolved it and it did not happen since
    escalating  it happens far more often than it used to
    regressed   somebody resolved it and it happened again
    new         it first happened less than a day ago
    ongoing     otherwise
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from isthmus.failure import NotFound
from isthmus.faults import trends
from isthmus.faults.trends import HOUR_MS, KEPT_HOURS
from isthmus.storage.table import MAX_PAGE, Absent, Condition, Item, Table, version

GROUPS = "faults/groups"
MAX_GROUPS = 500
MAX_SAMPLES = 5
MAX_RELEASES = 10
NEW_MS = 24 * HOUR_MS
Status = Literal["new", "ongoing", "escalating", "regressed", "resolved", "muted"]

_SAMPLE = ("at_ms", "instance", "channel", "code", "detail", "release")


@dataclass(frozen=True)
class Group:
    """One group; times in milliseconds since the epoch, `hours` maps hours since the epoch to counts.

    `changed_ms` is when the status changed last, and `told_ms` which of these changes was published last.
    """

    group: str
    operation: str
    kind: str
    severity: str
    system: str
    upstream_code: str
    first_seen_ms: int
    last_seen_ms: int
    total: int = 0
    hours: tuple[tuple[int, int], ...] = ()
    samples: tuple[dict[str, Any], ...] = ()
    releases: tuple[str, ...] = ()
    status: Status = "new"
    resolved_ms: int = 0
    muted_until_ms: int = 0
    changed_ms: int = 0
    told_ms: int = 0
    version: int = 0

    @property
    def when(self) -> Condition:
        """The condition under which this group may be written back."""
        return version(self.version) if self.version else Absent()

    def item(self) -> Item:
        """What is written back, one version further."""
        shown = asdict(self) | {"version": self.version + 1}
        return shown | {name: list(shown[name]) for name in ("samples", "releases")} | {"hours": dict_of(self.hours)}


def dict_of(hours: Iterable[tuple[int, int]]) -> dict[str, int]:
    """Counts by hour as a JSON object."""
    return {str(hour): count for hour, count in hours}


def group_of(item: Item) -> Group:
    """The group that an item holds."""
    known = {field.name: item[field.name] for field in fields(Group) if field.name in item}
    hours = tuple(sorted((int(hour), int(count)) for hour, count in item["hours"].items()))
    return Group(**known | {"hours": hours, "samples": tuple(item["samples"]), "releases": tuple(item["releases"])})


def fold(group: Group | None, reports: Iterable[Item]) -> Group:
    """The group with some more reports of it, at least one if there was none."""
    for report in sorted(reports, key=lambda one: int(one["at_ms"])):
        at_ms, count = int(report["at_ms"]), int(report["count"])
        if group is None:
            named = {name: report[name] for name in ("group", "operation", "kind", "severity", "system")}
            group = Group(
                **named,
                upstream_code=report["upstream_code"],
                first_seen_ms=at_ms,
                last_seen_ms=at_ms,
                changed_ms=at_ms,
            )
        counts = dict(group.hours)
        counts[at_ms // HOUR_MS] = counts.get(at_ms // HOUR_MS, 0) + count
        newest = max(counts)
        release = () if report["release"] in group.releases else (report["release"],)
        group = replace(
            group,
            severity=report["severity"],
            first_seen_ms=min(group.first_seen_ms, at_ms),
            last_seen_ms=max(group.last_seen_ms, at_ms),
            total=group.total + count,
            hours=tuple(sorted((hour, n) for hour, n in counts.items() if hour > newest - KEPT_HOURS)),
            samples=(*group.samples, {name: report[name] for name in _SAMPLE})[-MAX_SAMPLES:],
            releases=(*group.releases, *release)[-MAX_RELEASES:],
        )
    if group is None:
        raise ValueError("a group needs a report")
    return group


def standing(group: Group, now_ms: int) -> Status:
    """Where a group stands now."""
    if group.muted_until_ms > now_ms:
        return "muted"
    if group.resolved_ms and group.last_seen_ms <= group.resolved_ms:
        return "resolved"
    if trends.escalating(dict(group.hours), group.first_seen_ms // HOUR_MS, now_ms // HOUR_MS):
        return "escalating"
    if group.resolved_ms:
        return "regressed"
    return "new" if now_ms - group.first_seen_ms < NEW_MS else "ongoing"


def find(table: Table, group: str) -> Group:
    """The group of this id.

    Raises:
        NotFound: there is none.
    """
    item = table.get(GROUPS, group)
    if item is None:
        raise NotFound("There is no such group.", next_step="`list_groups` lists those there are.", code="faults/group")
    return group_of(item)


def everything(table: Table) -> list[Group]:
    """All groups, those that happened last first."""
    found = [group_of(row.item) for row in table.query(GROUPS, limit=MAX_PAGE).rows]
    return sorted(found, key=lambda one: one.last_seen_ms, reverse=True)


def save(table: Table, group: Group) -> Group:
    """Write a group back, if nobody else did since it was read.

    Raises:
        Conflict: somebody did.
    """
    table.put(GROUPS, group.group, group.item(), when=group.when)
    return replace(group, version=group.version + 1)
