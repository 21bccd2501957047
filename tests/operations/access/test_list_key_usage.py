"""What an API key was used for."""

from typing import Any

import pytest

from functions.access.list_key_usage import ListKeyUsage, list_key_usage
from isthmus.access import api_keys
from isthmus.access.api_keys import Wish
from isthmus.access.budgets import NOTHING
from isthmus.failure import NotFound


@pytest.fixture
def made(site: Any) -> tuple[str, str]:
    wish = Wish("a", "client", ("bitcoin:read",), 90, NOTHING)
    key, api_key = api_keys.create(site.table, site.deployment.owner, site.owner, wish, site.clock.now)
    return key.key_id, api_key.get_secret_value()


def usage(site: Any, key_id: str, caller: Any = None, **asked: Any) -> Any:
    return list_key_usage.function(ListKeyUsage(key_id=key_id, **asked), caller or site.owner, site.table)


def test_a_key_that_was_not_used_has_no_uses(site: Any, made: tuple[str, str]) -> None:
    assert usage(site, made[0]).uses == ()


def test_the_newest_use_comes_first_page_by_page(site: Any, made: tuple[str, str]) -> None:
    begin = site.clock.now
    for number in range(3):
        site.clock.now = begin + number
        site.used(made[1], f"GET /v1/{number}")
    first = usage(site, made[0], limit=2)
    rest = usage(site, made[0], limit=2, after=first.after)
    shown = [(use.at_ms - begin, use.used_for) for use in (*first.uses, *rest.uses)]
    assert shown == [(2, "GET /v1/2"), (1, "GET /v1/1"), (0, "GET /v1/0")]
    assert rest.after is None


def test_another_tenant_s_key_and_one_that_is_not_there_get_the_same_answer(site: Any, made: tuple[str, str]) -> None:
    site.used(made[1])
    told = []
    for key_id, caller in ((made[0], site.stranger()), ("0" * 16, site.owner)):
        with pytest.raises(NotFound) as failed:
            usage(site, key_id, caller)
        told.append(failed.value.problem("r"))
    assert told[0] == told[1]
