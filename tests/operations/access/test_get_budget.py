"""What the caller may still spend."""

from dataclasses import replace
from typing import Any

import pytest

from functions.access.get_budget import GetBudget, get_budget
from isthmus.access import api_keys
from isthmus.access.api_keys import Wish
from isthmus.access.budgets import DAY_MS, HOUR_MS, MINUTE_MS, Limits
from isthmus.access.caller import Caller
from isthmus.access.reservations import reserve, settle
from isthmus.fields import MAX_MSAT

LIMITS = Limits(1_000, 2_500, 5)


@pytest.fixture
def caller(site: Any) -> Caller:
    """Somebody with an API key."""
    wish = Wish("a", "client", ("bitcoin:spend",), 90, LIMITS)
    _, api_key = api_keys.create(site.table, site.deployment.owner, site.owner, wish, site.clock.now)
    found: Caller = site.used(api_key.get_secret_value())
    return found


def shown(site: Any, caller: Caller) -> Any:
    return get_budget.function(GetBudget(), caller, site.table, site.clock, site.deployment)


def test_who_spent_nothing_has_everything_left(site: Any, caller: Caller) -> None:
    budget = shown(site, caller)
    assert (budget.request_msat, budget.day.limit_msat, budget.day.left_msat) == (1_000, 2_500, 2_500)
    assert (budget.hour.limit, budget.hour.left, budget.open_reservations) == (5, 5, 0)
    assert (budget.day.next_reset_ms, budget.hour.next_reset_ms) == (None, None)


def test_what_is_held_and_what_is_spent_is_not_left(site: Any, caller: Caller) -> None:
    now = site.clock.now
    reserve(site.table, caller, "a", 1_000, LIMITS, now_ms=now)
    reserve(site.table, caller, "b", 700, LIMITS, now_ms=now)
    settle(site.table, caller, "b", 600, now_ms=now)
    budget = shown(site, caller)
    assert (budget.day.reserved_msat, budget.day.spent_msat, budget.day.left_msat) == (1_000, 600, 900)
    assert (budget.hour.used, budget.hour.left, budget.open_reservations) == (2, 3, 1)


def test_at_the_reset_there_is_more_and_not_before(site: Any, caller: Caller) -> None:
    now = site.clock.now
    reserve(site.table, caller, "a", 1_000, LIMITS, now_ms=now)
    settle(site.table, caller, "a", 1_000, now_ms=now)
    budget = shown(site, caller)
    assert budget.day.next_reset_ms == (now // HOUR_MS + 1) * HOUR_MS + DAY_MS
    assert budget.hour.next_reset_ms == (now // MINUTE_MS + 1) * MINUTE_MS + HOUR_MS
    for before, msat in ((1, 1_500), (0, 2_500)):
        site.clock.now = budget.day.next_reset_ms - before
        assert shown(site, caller).day.left_msat == msat
    for before, left in ((1, 4), (0, 5)):
        site.clock.now = budget.hour.next_reset_ms - before
        assert shown(site, caller).hour.left == left


def test_limits_that_were_lowered_leave_nothing_and_never_less(site: Any, caller: Caller) -> None:
    reserve(site.table, caller, "a", 5_000, Limits(5_000, 5_000, 10), now_ms=site.clock.now)
    assert shown(site, caller).day.left_msat == 0


def test_the_owner_may_spend_all_there_is_in_amounts_that_no_float_holds(site: Any) -> None:
    budget = shown(site, site.owner)
    assert budget.day.left_msat == MAX_MSAT
    assert f'"left_msat":"{MAX_MSAT}"' in budget.model_dump_json()


def test_a_stranger_has_nothing(site: Any) -> None:
    budget = shown(site, replace(site.owner, id="did:key:zNobody"))
    assert (budget.request_msat, budget.day.left_msat, budget.hour.left) == (0, 0, 0)
