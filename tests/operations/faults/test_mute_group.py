"""Muting a group."""

from typing import Any

import pytest

from functions.faults.mute_group import MuteGroup, mute_group
from isthmus.failure import NotFound
from isthmus.faults.trends import HOUR_MS


def muted(ward: Any, group: str, hours: int) -> Any:
    return mute_group.function(MuteGroup(group=group, hours=hours), ward.table, ward.clock)


def test_a_muted_group_is_counted_and_does_not_escalate_until_the_time_is_over(ward: Any) -> None:
    assert muted(ward.analyzed(), ward.old, 1).status == "muted"
    ward.happen(ward.old, count=100)
    quiet = ward.analyzed().kept(ward.old)
    assert (quiet.status, quiet.total) == ("muted", 160)
    ward.clock.now += HOUR_MS
    assert ward.analyzed().kept(ward.old).status == "escalating"


def test_muting_ends_when_it_is_asked_to(ward: Any) -> None:
    muted(ward.analyzed(), ward.old, 24)
    assert muted(ward, ward.old, 0).status == "ongoing"


def test_what_is_not_there_is_not_found(ward: Any) -> None:
    with pytest.raises(NotFound):
        muted(ward, ward.missing, 1)
