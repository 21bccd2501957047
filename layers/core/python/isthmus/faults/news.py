"""What the analysis has to tell: groups that are new, escalate or are back, each transition published at least once.

A group remembers when its status changed and which change was told; the id of what is published is made of the change,
so that whoever gets it twice can tell. A critical group also pulls the brake of its domain before anybody is told.
"""

from contextlib import suppress
from dataclasses import replace

from isthmus.failure import Conflict
from isthmus.faults.breaker import BRAKE
from isthmus.faults.gate import move
from isthmus.faults.groups import Group, everything, save
from isthmus.log import logger
from isthmus.ports import Bus, News
from isthmus.storage.table import Table

SOURCE = "isthmus.faults"
TOLD = frozenset({"new", "escalating", "regressed"})
MAX_NEWS = 100
"""In one analysis; what is beyond is told by the next."""


def tell(table: Table, bus: Bus, now_ms: int) -> int:
    """Publish what has not been told yet; how much that was.

    Raises:
        Unavailable: the store or the bus does not answer; all of it is told next time.
    """
    due = [group for group in everything(table) if _due(group)][:MAX_NEWS]
    for group in due:
        if group.severity == "critical":
            _brake(table, group, now_ms)
    if due:
        bus.publish([_news(group) for group in due])
    for group in due:
        with suppress(Conflict):  # told again next time, under the same id
            save(table, replace(group, told_ms=group.changed_ms))
    return len(due)


def _due(group: Group) -> bool:
    """A change to tell; a group is new only once, even if it escalates and calms down on its first day."""
    return group.status in TOLD and group.told_ms != group.changed_ms and not (group.status == "new" and group.told_ms)


def _brake(table: Table, group: Group, now_ms: int) -> None:
    """Stop what spends in the group's domain until a person has looked."""
    domain = group.operation.partition(".")[0]
    move(table, BRAKE + domain, "hold", now_ms)
    logger().critical(
        "critical failures", group=group.group, operation=group.operation, kind=group.kind, stopped=BRAKE + domain
    )


def _news(group: Group) -> News:
    return News(
        id=f"{group.group}:{group.changed_ms}",
        source=SOURCE,
        type=f"fault group {group.status}",
        detail={
            "group": group.group,
            "operation": group.operation,
            "kind": group.kind,
            "severity": group.severity,
            "code": str(group.samples[-1]["code"]) if group.samples else "",
            "status": group.status,
            "count": group.total,
            "first_seen_ms": group.first_seen_ms,
            "last_seen_ms": group.last_seen_ms,
        },
    )
