"""Looking at one group."""

from typing import Any

import pytest

from functions.faults.get_group import get_group
from isthmus.failure import NotFound
from isthmus.faults.models import OfGroup
from isthmus.faults.trends import HOUR_MS


def test_a_group_says_when_how_often_and_what_the_last_ones_were(ward: Any) -> None:
    ward.analyzed()
    found = get_group.function(OfGroup(group=ward.old), ward.table, ward.clock)
    assert (found.status, found.total, len(found.samples), found.releases) == ("ongoing", 60, 5, ("0.1.0",))
    assert (found.system, found.upstream_code) == ("bitcoin", "-28")
    assert [one.count for one in found.hours] == [2] * 30
    assert found.hours[-1].hour_ms == ward.clock.now - HOUR_MS


def test_what_is_not_there_is_not_found(ward: Any) -> None:
    with pytest.raises(NotFound):
        get_group.function(OfGroup(group=ward.missing), ward.table, ward.clock)
