"""Listing groups of failures."""

from typing import Any

from functions.faults.list_groups import ListGroups, list_groups


def listed(ward: Any, **asked: Any) -> Any:
    return list_groups.function(ListGroups(**asked), ward.table, ward.clock)


def test_without_failures_the_list_is_empty(ward: Any) -> None:
    assert (listed(ward).groups, listed(ward).total) == ((), 0)


def test_those_that_happened_last_come_first(ward: Any) -> None:
    ward.happen(ward.young)
    found = listed(ward.analyzed())
    assert [(one.group, one.status, one.total) for one in found.groups] == [
        (ward.young, "new", 2),
        (ward.old, "ongoing", 60),
    ]


def test_a_status_chooses_and_a_limit_cuts(ward: Any) -> None:
    ward.analyzed()
    assert [one.group for one in listed(ward, status="new").groups] == [ward.young]
    shown = listed(ward, limit=1)
    assert (len(shown.groups), shown.total) == (1, 2)
