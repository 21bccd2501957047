"""Calling a group resolved."""

from typing import Any

import pytest

from functions.faults.resolve_group import resolve_group
from isthmus.failure import NotFound
from isthmus.faults.groups import standing
from isthmus.faults.models import OfGroup


def resolved(ward: Any, group: str) -> Any:
    return resolve_group.function(OfGroup(group=group), ward.table, ward.clock)


def test_what_is_resolved_stays_so_until_it_happens_again(ward: Any) -> None:
    ward.analyzed()
    assert resolved(ward, ward.old).status == "resolved"

    ward.clock.now += 60_000
    assert standing(ward.analyzed().kept(ward.old), ward.clock.now) == "resolved"

    ward.happen(ward.old)
    assert ward.analyzed().kept(ward.old).status == "regressed"


def test_what_has_regressed_can_be_resolved_again(ward: Any) -> None:
    resolved(ward.analyzed(), ward.old)
    ward.clock.now += 1
    ward.happen(ward.old)
    assert resolved(ward.analyzed(), ward.old).status == "resolved"


def test_what_is_not_there_is_not_found(ward: Any) -> None:
    with pytest.raises(NotFound):
        resolved(ward, ward.missing)
