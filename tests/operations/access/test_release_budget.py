"""Giving back what was reserved."""

from typing import Any

import pytest

from functions.access.release_budget import ReleaseBudget, release_budget
from isthmus import wiring
from isthmus.access.budgets import Limits
from isthmus.access.caller import Caller
from isthmus.access.reservations import reserve, settle, standing
from isthmus.failure import Forbidden
from isthmus.ports import Clock, Table

CALLER = Caller("did", "did:key:zSpender", "client")
LIMITS = Limits(1_000, 2_500, 5)


def take(site: Any) -> None:
    reserve(site.table, CALLER, "a", 1_000, LIMITS, now_ms=site.clock.now)


def released(site: Any) -> str:
    request = ReleaseBudget(caller_id=CALLER.id, intent="a")
    outcome: str = release_budget.function(request, site.table, site.clock).outcome
    return outcome


def test_what_was_reserved_is_free_again_however_often_it_is_released(site: Any) -> None:
    take(site)
    assert [released(site), released(site)] == ["released", "released"]
    assert standing(site.table, CALLER.id, site.clock.now).reserved_msat == 0


def test_what_was_spent_stays_spent(site: Any) -> None:
    take(site)
    settle(site.table, CALLER, "a", 900, now_ms=site.clock.now)
    assert released(site) == "settled"
    assert standing(site.table, CALLER.id, site.clock.now).spent_msat == 900


def test_without_a_reservation_there_is_nothing_to_release(site: Any) -> None:
    assert released(site) == "nothing"


def test_a_state_machine_may_do_it_and_a_schedule_may_not(site: Any) -> None:
    take(site)
    asked = {"caller_id": CALLER.id, "intent": "a"}
    with wiring.replaced({Table: site.table, Clock: site.clock}):
        assert release_budget({"execution": "one", "request": asked}, None) == {"outcome": "released"}
        with pytest.raises(Forbidden):
            release_budget({"source": "aws.events", "resources": ["x"], "detail": asked}, None)
