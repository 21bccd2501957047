"""Revoking an API key."""

from typing import Any

import pytest

from functions.access.revoke_key import revoke_key
from isthmus.access import api_keys
from isthmus.access.api_keys import Wish
from isthmus.access.budgets import NOTHING
from isthmus.access.key_views import OfKey
from isthmus.failure import NotFound, Unauthenticated


@pytest.fixture
def made(site: Any) -> tuple[str, str]:
    wish = Wish("a", "client", ("bitcoin:read",), 90, NOTHING)
    key, api_key = api_keys.create(site.table, site.deployment.owner, site.owner, wish, site.clock.now)
    return key.key_id, api_key.get_secret_value()


def revoked(site: Any, key_id: str, caller: Any = None) -> Any:
    return revoke_key.function(OfKey(key_id=key_id), caller or site.owner, site.table, site.clock)


def test_a_revoked_key_is_good_for_nothing_from_then_on(site: Any, made: tuple[str, str]) -> None:
    assert site.used(made[1]).id == made[0]
    assert (revoked(site, made[0]).status, revoked(site, made[0]).revoked_ms) == ("revoked", site.clock.now)
    with pytest.raises(Unauthenticated):
        site.used(made[1])


def test_revoking_again_answers_the_same(site: Any, made: tuple[str, str]) -> None:
    first = revoked(site, made[0])
    site.clock.now += 1000
    assert revoked(site, made[0]) == first


def test_another_tenant_s_key_and_one_that_is_not_there_get_the_same_answer(site: Any, made: tuple[str, str]) -> None:
    told = []
    for key_id, caller in ((made[0], site.stranger()), ("0" * 16, site.owner), ("0" * 16, site.stranger())):
        with pytest.raises(NotFound) as failed:
            revoked(site, key_id, caller)
        told.append(failed.value.problem("r"))
    assert told[0] == told[1] == told[2]
    assert site.used(made[1]).id == made[0]
