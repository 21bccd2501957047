"""Listing API keys."""

from typing import Any

from functions.access.list_keys import ListKeys, list_keys
from isthmus.access import api_keys
from isthmus.access.api_keys import DAY_MS, Wish
from isthmus.access.budgets import Limits


def made(site: Any, name: str, days: int = 90) -> Any:
    wish = Wish(name, "client", ("bitcoin:read",), days, Limits(1, 2, 3))
    site.clock.now += 1
    return api_keys.create(site.table, site.deployment.owner, site.owner, wish, site.clock.now)


def listed(site: Any, caller: Any = None, **asked: Any) -> Any:
    return list_keys.function(ListKeys(**asked), caller or site.owner, site.table, site.clock)


def test_without_keys_the_list_is_empty(site: Any) -> None:
    assert (listed(site).keys, listed(site).after) == ((), None)


def test_the_newest_come_first_page_by_page(site: Any) -> None:
    for name in "abc":
        made(site, name)
    first = listed(site, limit=2)
    rest = listed(site, limit=2, after=first.after)
    assert [key.name for key in (*first.keys, *rest.keys)] == ["c", "b", "a"]
    assert rest.after is None


def test_a_key_says_what_it_may_do_and_whether_it_still_may(site: Any) -> None:
    made(site, "expired", days=1)
    revoked, _ = made(site, "revoked", days=1)
    api_keys.revoke(site.table, "main", revoked.key_id, site.clock.now)
    made(site, "active", days=2)
    site.clock.now += DAY_MS
    shown = listed(site).keys
    assert {key.name: key.status for key in shown} == {"active": "active", "revoked": "revoked", "expired": "expired"}
    assert [key.revoked_ms for key in shown] == [None, site.clock.now - DAY_MS - 1, None]
    assert (shown[0].max_msat, shown[0].day_msat, shown[0].hour_count) == (1, 2, 3)


def test_no_secret_and_no_hash_is_listed(site: Any) -> None:
    key, api_key = made(site, "a")
    stored = site.table.get(api_keys.KEYS, key.key_id)["sha256"]
    told = listed(site).model_dump_json()
    assert key.key_id in told
    assert api_key.get_secret_value().split("_")[2] not in told
    assert stored not in told


def test_nobody_sees_another_tenant_s_keys(site: Any) -> None:
    made(site, "a")
    assert listed(site, site.stranger()).keys == ()
