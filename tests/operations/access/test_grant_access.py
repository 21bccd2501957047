"""Letting a DID call."""

from typing import Any

import pytest
from pydantic import ValidationError

from functions.access.grant_access import GrantAccess, grant_access
from isthmus.access import principals
from isthmus.failure import Conflict, Invalid

ANNA = "did:key:zAnna"


def granted(site: Any, **asked: Any) -> Any:
    request = GrantAccess.model_validate({"did": ANNA, "role": "client"} | asked)
    return grant_access.function(request, site.owner, site.table, site.clock, site.deployment)


def test_a_client_reads_and_spends_nothing_unless_more_is_said(site: Any) -> None:
    shown = granted(site)
    assert (shown.tenant, shown.role, shown.scopes) == (
        "main",
        "client",
        ("bitcoin:read", "pipeline:read", "platform:read"),
    )
    assert (shown.max_msat, shown.day_msat, shown.hour_count) == (0, 0, 0)
    assert (shown.created_ms, shown.created_by) == (site.clock.now, site.owner.id)


def test_amounts_come_and_go_as_strings_and_stay_exact(site: Any) -> None:
    shown = granted(site, max_msat="2100000000000000000", day_msat=9_007_199_254_740_993)
    assert '"max_msat":"2100000000000000000","day_msat":"9007199254740993"' in shown.model_dump_json()
    found = principals.find(site.table, site.deployment.owner, ANNA)
    assert found is not None
    assert (found.max_msat, found.day_msat) == (2_100_000_000_000_000_000, 9_007_199_254_740_993)


def test_the_tenant_that_is_asked_for_is_the_one_the_policies_see(site: Any) -> None:
    assert GrantAccess(did=ANNA, role="client", tenant="other").for_tenant() == "other"
    assert GrantAccess(did=ANNA, role="client").for_tenant() is None
    assert granted(site, tenant="other").tenant == "other"


def test_no_scopes_at_all_can_be_given(site: Any) -> None:
    assert granted(site, scopes=()).scopes == ()


def test_a_misspelt_scope_is_refused(site: Any) -> None:
    with pytest.raises(Invalid) as raised:
        granted(site, scopes=("bitcoin:read", "bitcion:read"))
    assert [error.pointer for error in raised.value.errors] == ["/scopes/1"]
    assert principals.find(site.table, site.deployment.owner, ANNA) is None


def test_the_owner_of_the_deployment_stays_what_it_is(site: Any) -> None:
    with pytest.raises(Conflict):
        granted(site, did=site.owner.id)


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": "system"},
        {"role": "anonymous"},
        {"did": "key:z"},
        {"did": "did:key:"},
        {"did": "did:key:zA#key"},
        {"tenant": "Main"},
        {"tenant": "a/b"},
        {"max_msat": 1.0},
        {"max_msat": True},
        {"max_msat": "-1"},
        {"max_msat": "2100000000000000001"},
        {"hour_count": -1},
        {"owner": True},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GrantAccess.model_validate({"did": ANNA, "role": "client"} | wrong)
