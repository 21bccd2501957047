"""Taking access away."""

from typing import Any

import pytest

from functions.access.grant_access import GrantAccess, grant_access
from functions.access.revoke_access import RevokeAccess, revoke_access
from isthmus.access import principals
from isthmus.failure import Conflict, NotFound

ANNA = "did:key:zAnna"


def revoked(site: Any, caller: Any = None, **asked: Any) -> Any:
    return revoke_access.function(RevokeAccess(**asked), caller or site.owner, site.table, site.deployment)


@pytest.fixture
def anna(site: Any) -> Any:
    """A client of the main tenant."""
    request = GrantAccess(did=ANNA, role="client")
    return grant_access.function(request, site.owner, site.table, site.clock, site.deployment)


def test_what_was_taken_is_shown_and_gone(site: Any, anna: Any) -> None:
    assert revoked(site, did=ANNA) == anna
    assert principals.find(site.table, site.deployment.owner, ANNA) is None
    with pytest.raises(NotFound):
        revoked(site, did=ANNA)


def test_another_tenants_did_is_not_there(site: Any, anna: Any) -> None:
    def answer(did: str, **asked: Any) -> dict[str, Any]:
        with pytest.raises(NotFound) as raised:
            revoked(site, did=did, **asked)
        return raised.value.problem("r")

    assert answer(ANNA, tenant="other") == answer("did:key:zNobody")
    assert answer(ANNA, caller=site.stranger()) == answer("did:key:zNobody", caller=site.stranger())
    assert principals.find(site.table, site.deployment.owner, ANNA) is not None


def test_the_owner_of_the_deployment_stays(site: Any) -> None:
    with pytest.raises(Conflict):
        revoked(site, did=site.owner.id)


def test_the_tenant_that_is_asked_for_is_the_one_the_policies_see() -> None:
    assert RevokeAccess(did=ANNA, tenant="other").for_tenant() == "other"
    assert RevokeAccess(did=ANNA).for_tenant() is None
