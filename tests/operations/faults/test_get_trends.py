"""What fails more than it used to."""

from typing import Any

from functions.faults.get_trends import GetTrends, get_trends


def moved(ward: Any, **asked: Any) -> Any:
    return get_trends.function(GetTrends(**asked), ward.table, ward.clock).trends


def test_the_top_mover_comes_first_with_what_it_should_have_been(ward: Any) -> None:
    ward.happen(ward.old, count=40)
    old, young = moved(ward.analyzed())
    assert (old.group.group, young.group.group) == (ward.old, ward.young)
    assert (old.group.status, old.this_hour, old.last_hour, old.expected_per_hour) == ("escalating", 40, 2, 2)
    assert (old.last_day, old.day_before) == (40 + 23 * 2, 7 * 2)


def test_what_began_just_now_has_nothing_to_be_compared_with(ward: Any) -> None:
    young = next(one for one in moved(ward.analyzed()) if one.group.group == ward.young)
    assert (young.expected_per_hour, young.last_hour, young.day_before) == (None, 1, 0)


def test_a_limit_cuts(ward: Any) -> None:
    assert len(moved(ward.analyzed(), limit=1)) == 1
