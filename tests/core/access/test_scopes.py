"""Scopes."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.access.caller import ROLES
from isthmus.access.scopes import DEFAULTS, PATTERN, narrowed

names = st.lists(st.sampled_from(("*", "bitcoin:read", "bitcoin:spend", "faults:change")), unique=True)


def test_who_asks_for_nothing_gets_all_it_has() -> None:
    assert narrowed((), ("faults:read", "bitcoin:read")) == ("bitcoin:read", "faults:read")
    assert narrowed(("*",), ("bitcoin:read",)) == ("bitcoin:read",)


def test_who_asks_gets_what_it_has_of_that() -> None:
    assert narrowed(("bitcoin:read", "bitcoin:spend"), ("bitcoin:read", "faults:read")) == ("bitcoin:read",)
    assert narrowed(("bitcoin:read",), ("*",)) == ("bitcoin:read",)


@settings(deadline=None)
@given(names, names)
def test_nobody_gets_what_it_has_not(asked: list[str], held: list[str]) -> None:
    assert "*" in held or set(narrowed(asked, held)) <= set(held)
    assert "*" not in narrowed(asked, held) or "*" in held


@pytest.mark.parametrize("scope", ["*", "bitcoin:read", "access:change", "lightning:spend"])
def test_a_scope_is_a_domain_and_an_effect_or_everything(scope: str) -> None:
    assert re.fullmatch(PATTERN, scope)


@pytest.mark.parametrize("scope", ["", "bitcoin", "bitcoin:*", "*:read", "bitcoin:write", "Bitcoin:read", "**"])
def test_nothing_else_is_a_scope(scope: str) -> None:
    assert not re.fullmatch(PATTERN, scope)


def test_every_role_has_what_is_usual_and_no_client_changes_anything_by_that() -> None:
    assert set(DEFAULTS) == set(ROLES)
    assert all(re.fullmatch(PATTERN, scope) for given in DEFAULTS.values() for scope in given)
    assert all(scope.endswith(":read") for scope in DEFAULTS["client"])
