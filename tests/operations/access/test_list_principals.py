"""Listing who may call."""

from typing import Any

from functions.access.grant_access import GrantAccess, grant_access
from functions.access.list_principals import ListPrincipals, list_principals


def listed(site: Any, caller: Any = None, **asked: Any) -> Any:
    return list_principals.function(ListPrincipals(**asked), caller or site.owner, site.table, site.deployment)


def granted(site: Any, *names: str, tenant: str = "main") -> None:
    for name in names:
        request = GrantAccess(did=f"did:key:z{name}", role="auditor", tenant=tenant)
        grant_access.function(request, site.owner, site.table, site.clock, site.deployment)


def test_a_new_deployment_has_its_owner_only(site: Any) -> None:
    shown = listed(site)
    assert (shown.owner, shown.principals, shown.after) == (site.owner.id, (), None)


def test_a_page_ends_where_the_next_one_goes_on(site: Any) -> None:
    granted(site, "A", "B", "C")
    first = listed(site, limit=2)
    second = listed(site, limit=2, after=first.after)
    assert [one.did for one in first.principals + second.principals] == ["did:key:zA", "did:key:zB", "did:key:zC"]
    assert second.after is None


def test_each_tenant_sees_its_own_and_not_who_owns_the_deployment(site: Any) -> None:
    granted(site, "A")
    granted(site, "B", tenant="other")
    shown = listed(site, site.stranger())
    assert ([one.did for one in shown.principals], shown.owner) == (["did:key:zB"], None)
    assert listed(site, tenant="other") == shown


def test_the_tenant_that_is_asked_for_is_the_one_the_policies_see() -> None:
    assert ListPrincipals(tenant="other").for_tenant() == "other"
    assert ListPrincipals().for_tenant() is None
