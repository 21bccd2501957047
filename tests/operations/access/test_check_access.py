"""Asking what would be allowed."""

from dataclasses import replace
from typing import Any

import pytest

from functions.access.check_access import CheckAccess, check_access
from functions.access.grant_access import GrantAccess, grant_access
from isthmus.access.caller import Caller
from isthmus.failure import Forbidden, NotFound

ANNA = "did:key:zAnna"


def checked(site: Any, caller: Caller | None = None, **asked: Any) -> Any:
    request = CheckAccess.model_validate(asked)
    return check_access.function(request, caller or site.owner, site.table, site.clock, site.deployment)


def granted(site: Any, did: str = ANNA, **given: Any) -> Caller:
    request = GrantAccess.model_validate({"did": did, "role": "client"} | given)
    shown = grant_access.function(request, site.owner, site.table, site.clock, site.deployment)
    return Caller("did", did, shown.role, shown.tenant, shown.scopes, site.clock.now, shown.max_msat)


def test_what_is_allowed_names_its_policies(site: Any) -> None:
    shown = checked(site, operation="get_block")
    assert (shown.allowed, shown.policies, shown.missing) == (True, ("owners-may-do-everything",), ())


def test_an_operation_may_be_named_with_its_domain(site: Any) -> None:
    assert checked(site, operation="bitcoin.get_block") == checked(site, operation="get_block")


def test_what_is_not_allowed_says_what_is_missing(site: Any) -> None:
    anna = granted(site, scopes=("bitcoin:read",))
    shown = checked(site, anna, operation="start_run")
    assert shown.allowed is False
    assert [(one.what, one.needed) for one in shown.missing] == [("scope", "pipeline:change")]


def test_an_old_proof_is_said_to_be_old(site: Any) -> None:
    tired = replace(site.owner, authenticated_ms=site.clock.now - 3_600_000)
    assert [one.what for one in checked(site, tired, operation="grant_access").missing] == ["proof"]


def test_an_operation_that_is_not_there_is_not_found(site: Any) -> None:
    with pytest.raises(NotFound):
        checked(site, operation="get_rich")


def test_owners_and_auditors_may_ask_about_others(site: Any) -> None:
    granted(site, scopes=("bitcoin:read",))
    auditor = granted(site, "did:key:zAuditor", role="auditor")
    for asker in (site.owner, auditor):
        assert checked(site, asker, operation="get_block", did=ANNA).allowed
        assert not checked(site, asker, operation="mute_group", did=ANNA).allowed


def test_others_may_ask_about_themselves_only(site: Any) -> None:
    anna = granted(site)
    assert checked(site, anna, operation="get_block", did=ANNA) == checked(site, anna, operation="get_block")

    def refusal(did: str) -> dict[str, Any]:
        with pytest.raises(Forbidden) as raised:
            checked(site, anna, operation="get_block", did=did)
        return raised.value.problem("r")

    assert refusal(site.owner.id) == refusal("did:key:zNobody")


def test_another_tenants_did_is_not_there(site: Any) -> None:
    granted(site)
    boss = granted(site, "did:key:zBoss", role="owner", tenant="other")

    def answer(did: str) -> dict[str, Any]:
        with pytest.raises(NotFound) as raised:
            checked(site, boss, operation="get_block", did=did)
        return raised.value.problem("r")

    assert answer(ANNA) == answer("did:key:zNobody")


def test_owners_of_main_may_ask_about_other_tenants_dids(site: Any) -> None:
    granted(site, tenant="other")
    shown = checked(site, operation="get_block", did=ANNA, tenant="main")
    assert [(one.what, one.needed) for one in shown.missing] == [("tenant", "other")]
