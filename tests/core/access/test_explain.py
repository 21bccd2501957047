"""What is missing, found by asking the policies again."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from isthmus.access.caller import Caller
from isthmus.access.explain import Missing, explain
from isthmus.access.policy import Action, decide
from tests.core.access.test_policy import NOW_MS, action, actions, amounts, callers, person, tenants


def missing(caller: Caller, asked: Action, **about: Any) -> tuple[Missing, ...]:
    return explain(caller, asked, now_ms=NOW_MS, **about).missing


def test_nothing_is_missing_when_it_is_allowed() -> None:
    found = explain(person("client", "*"), action(), now_ms=NOW_MS)
    assert (found.decision.allowed, found.missing) == (True, ())


def test_a_missing_scope_is_named() -> None:
    found = explain(person("client"), action(), now_ms=NOW_MS)
    assert found.decision.policies == ("nobody-acts-beyond-its-scopes",)
    assert found.missing == (Missing("scope", "bitcoin:read"),)


def test_the_role_that_may_do_the_least_of_those_that_may_is_named() -> None:
    assert missing(person("client", "*"), action("faults", "read")) == (Missing("role", "auditor"),)
    assert missing(person("auditor", "*"), action("bitcoin", "change")) == (Missing("role", "client"),)
    assert missing(person("client", "*"), action("faults", "change")) == (Missing("role", "operator"),)
    assert missing(person("operator", "*"), action("access", "change")) == (Missing("role", "owner"),)


def test_a_limit_too_low_is_named_with_what_it_would_have_to_be() -> None:
    spending = action(effect="spend")
    assert missing(person("client", "*"), spending, amount_msat=1_001) == (Missing("limit", "1001"),)
    assert missing(person("client", "*"), spending) == (Missing("amount", "1"),)
    assert missing(person("client", "*", max_msat=0), spending) == (Missing("amount", "1"), Missing("limit", "1"))


def test_an_old_proof_is_named() -> None:
    old = person("owner", "*", authenticated_ms=NOW_MS - 901_000)
    assert missing(old, action("access", "change")) == (Missing("proof", "fresh"),)


def test_another_tenants_things_are_named() -> None:
    assert missing(person("client", "*"), action(), tenant="other") == (Missing("tenant", "main"),)


def test_an_api_key_where_a_did_is_needed_is_named() -> None:
    key = replace(person("owner", "*"), kind="key")
    assert missing(key, action("access", "change")) == (Missing("kind", "did"),)


def test_all_that_is_missing_together_is_named() -> None:
    assert missing(person("auditor"), action("bitcoin", "spend"), amount_msat=5_000) == (
        Missing("role", "client"),
        Missing("scope", "bitcoin:spend"),
        Missing("limit", "5000"),
    )


@pytest.mark.parametrize(("reached", "who"), [("scheduled", "execution"), ("returned", "execution")])
def test_what_only_the_platform_does_is_said_so(reached: str, who: str) -> None:
    assert missing(person("owner", "*"), action("faults", "change", reached)) == (Missing("caller", who),)


@settings(max_examples=25, deadline=None)
@given(callers, actions, tenants, amounts)
def test_an_explanation_decides_as_the_decision_does_and_misses_something_exactly_when_refused(
    caller: Caller, asked: Action, tenant: str | None, amount_msat: int
) -> None:
    found = explain(caller, asked, now_ms=NOW_MS, tenant=tenant, amount_msat=amount_msat)
    assert found.decision == decide(caller, asked, now_ms=NOW_MS, tenant=tenant, amount_msat=amount_msat)
    assert bool(found.missing) is not found.decision.allowed
