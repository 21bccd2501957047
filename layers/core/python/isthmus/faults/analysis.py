"""From the inbox to groups, and which of the groups escalate."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby

from isthmus.failure import Conflict
from isthmus.faults.groups import GROUPS, MAX_GROUPS, everything, fold, group_of, save, standing
from isthmus.faults.reports import PARTITION
from isthmus.log import logger
from isthmus.storage.table import Delete, Equals, Put, Row, Table

MAX_REPORTS = 5_000
_PAGE = 500
_BATCH = 90
"""Reports of one group in one transaction, which takes a hundred writes."""


@dataclass(frozen=True)
class Analysis:
    """What one look at the inbox gave."""

    reports: int
    groups: int
    escalated: tuple[str, ...]


def analyze(table: Table, now_ms: int) -> Analysis:
    """Empty the inbox into groups, each report exactly once, and say which groups have begun to escalate.

    Groups beyond MAX_GROUPS are forgotten, those first that have not happened for the longest time. What somebody else
    changes at the same moment is left for the next time.

    Raises:
        Unavailable: the store does not answer; nothing is lost, and nothing is counted twice.
    """
    taken = _empty(table)
    groups = everything(table)
    for group in groups[MAX_GROUPS:]:
        with suppress(Conflict):
            table.delete(GROUPS, group.group, when=group.when)
    escalated: list[str] = []
    for group in groups[:MAX_GROUPS]:
        now = standing(group, now_ms)
        if now == group.status:
            continue
        with suppress(Conflict):
            save(table, replace(group, status=now, changed_ms=now_ms))
            if now == "escalating":
                escalated.append(group.group)
                logger().error("escalating", group=group.group, operation=group.operation, kind=group.kind)
    return Analysis(taken, min(len(groups), MAX_GROUPS), tuple(escalated))


def _empty(table: Table) -> int:
    """How many reports became part of a group."""
    taken, after = 0, None
    for _ in range(MAX_REPORTS // _PAGE):
        page = table.query(PARTITION, after=after, limit=_PAGE)
        rows = sorted(page.rows, key=lambda row: str(row.item["group"]))
        for group, reports in groupby(rows, key=lambda row: str(row.item["group"])):
            taken += sum(_take(table, group, batch) for batch in _batches(list(reports)))
        after = page.after
        if after is None:
            break
    return taken


def _batches(rows: list[Row]) -> Iterable[list[Row]]:
    return (rows[first : first + _BATCH] for first in range(0, len(rows), _BATCH))


def _take(table: Table, name: str, rows: list[Row]) -> int:
    """Make some reports of one group part of it, in one transaction: the group grows and the reports go, or neither."""
    item = table.get(GROUPS, name)
    group = fold(group_of(item) if item else None, [row.item for row in rows])
    gone = [Delete(PARTITION, row.sk, when=Equals("group", name)) for row in rows]
    try:
        table.transact([Put(GROUPS, name, group.item(), when=group.when), *gone])
    except Conflict:
        return 0
    return len(rows)
