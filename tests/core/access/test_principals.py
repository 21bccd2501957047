"""Who may call, in the table."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from isthmus.access import principals
from isthmus.access.caller import Caller
from isthmus.access.principals import Principal
from isthmus.failure import Conflict, Failure, Forbidden, Invalid, NotFound
from isthmus.fields import MAX_MSAT
from isthmus.storage.adapters.sqlite import SqliteTable

OWNER = "did:key:zOwner"
ANNA = Principal("did:key:zAnna", "client", "main", ("bitcoin:read",), 10, 100, 5, 1_000, OWNER)
BOSS = Principal("did:key:zBoss", "owner", "other", ("*",), 1_000, 9_000, 50, 1_000, OWNER)


@pytest.fixture
def table(tmp_path: Path) -> SqliteTable:
    """A table with nobody in it."""
    return SqliteTable(tmp_path / "table.sqlite")


def caller(table: SqliteTable, did: str = OWNER) -> Caller:
    found = principals.find(table, OWNER, did)
    assert found is not None
    return principals.caller_of(found, 0)


def refusal(call: Callable[[], object]) -> tuple[type[Failure], str]:
    with pytest.raises(Failure) as raised:
        call()
    return type(raised.value), raised.value.code


def test_the_owner_needs_no_grant(table: SqliteTable) -> None:
    owner = principals.find(table, OWNER, OWNER)
    assert owner is not None
    assert (owner.role, owner.tenant, owner.scopes, owner.max_msat) == ("owner", "main", ("*",), MAX_MSAT)


def test_a_deployment_without_an_owner_has_none(table: SqliteTable) -> None:
    with pytest.raises(Invalid):
        principals.find(table, "", "")
    assert principals.find(table, "", OWNER) is None


def test_a_stranger_is_nobody(table: SqliteTable) -> None:
    assert principals.find(table, OWNER, ANNA.did) is None


def test_who_is_granted_access_is_found_with_what_was_given(table: SqliteTable) -> None:
    principals.grant(table, OWNER, ANNA, caller(table))
    assert principals.find(table, OWNER, ANNA.did) == ANNA == principals.of_tenant(table, "main", ANNA.did)
    assert caller(table, ANNA.did) == Caller("did", ANNA.did, "client", "main", ("bitcoin:read",), 0, 10)


def test_a_second_grant_replaces_the_first(table: SqliteTable) -> None:
    richer = replace(ANNA, role="operator", max_msat=99)
    principals.grant(table, OWNER, ANNA, caller(table))
    principals.grant(table, OWNER, richer, caller(table))
    assert principals.find(table, OWNER, ANNA.did) == richer
    assert principals.listed(table, "main", after=None, limit=10) == ([richer], None)


def test_owners_of_main_may_move_a_did_to_another_tenant(table: SqliteTable) -> None:
    principals.grant(table, OWNER, ANNA, caller(table))
    principals.grant(table, OWNER, replace(ANNA, tenant="other"), caller(table))
    assert principals.listed(table, "main", after=None, limit=10) == ([], None)
    assert principals.of_tenant(table, "other", ANNA.did).tenant == "other"


def test_other_owners_may_not_take_a_did_that_another_tenant_has(table: SqliteTable) -> None:
    principals.grant(table, OWNER, ANNA, caller(table))
    principals.grant(table, OWNER, BOSS, caller(table))
    taken = replace(ANNA, tenant="other")
    assert refusal(lambda: principals.grant(table, OWNER, taken, caller(table, BOSS.did))) == (
        Conflict,
        "access/did-taken",
    )
    assert principals.find(table, OWNER, ANNA.did) == ANNA


@pytest.mark.parametrize("role", ["owner", "operator", "client"])
def test_the_owner_of_the_deployment_is_neither_changed_nor_revoked(table: SqliteTable, role: str) -> None:
    demoted = replace(ANNA, did=OWNER, role=role)  # type: ignore[arg-type]
    assert refusal(lambda: principals.grant(table, OWNER, demoted, caller(table))) == (Conflict, "access/owner")
    assert refusal(lambda: principals.revoke(table, OWNER, "main", OWNER, caller(table))) == (Conflict, "access/owner")


@pytest.mark.parametrize(
    "more",
    [
        replace(ANNA, tenant="other", max_msat=1_001),
        replace(ANNA, tenant="other", day_msat=9_001),
        replace(ANNA, tenant="other", hour_count=51),
    ],
)
def test_nobody_gives_higher_limits_than_it_has(table: SqliteTable, more: Principal) -> None:
    principals.grant(table, OWNER, BOSS, caller(table))
    boss = caller(table, BOSS.did)
    assert refusal(lambda: principals.grant(table, OWNER, more, boss)) == (Forbidden, "access/more-than-own")
    assert principals.grant(table, OWNER, replace(ANNA, tenant="other", max_msat=1_000), boss).max_msat == 1_000


@pytest.mark.parametrize(("held", "given"), [(("access:change",), "*"), (("access:change",), "bitcoin:read")])
def test_nobody_gives_scopes_it_has_not(table: SqliteTable, held: tuple[str, ...], given: str) -> None:
    narrow = replace(caller(table), scopes=held)
    more = replace(ANNA, scopes=(given,))
    assert refusal(lambda: principals.grant(table, OWNER, more, narrow)) == (Forbidden, "access/more-than-own")


def test_an_owner_whose_access_was_revoked_gives_no_more_though_its_token_still_counts(table: SqliteTable) -> None:
    principals.grant(table, OWNER, BOSS, caller(table))
    boss = caller(table, BOSS.did)
    principals.revoke(table, OWNER, "other", BOSS.did, caller(table))
    given = replace(ANNA, tenant="other")
    assert refusal(lambda: principals.grant(table, OWNER, given, boss)) == (Forbidden, "access/no-owner")


def test_an_owner_whose_access_was_revoked_takes_nobody_else_s(table: SqliteTable) -> None:
    principals.grant(table, OWNER, BOSS, caller(table))
    principals.grant(table, OWNER, replace(ANNA, tenant="other"), caller(table))
    boss = caller(table, BOSS.did)
    principals.revoke(table, OWNER, "other", BOSS.did, caller(table))
    assert refusal(lambda: principals.revoke(table, OWNER, "other", ANNA.did, boss)) == (
        Forbidden,
        "access/no-owner",
    )
    assert principals.find(table, OWNER, ANNA.did) is not None


def test_an_owner_gives_no_scopes_that_it_lost_though_its_token_still_has_them(table: SqliteTable) -> None:
    principals.grant(table, OWNER, BOSS, caller(table))
    boss = caller(table, BOSS.did)
    principals.grant(table, OWNER, replace(BOSS, scopes=("access:change", "bitcoin:read")), caller(table))
    more = replace(ANNA, tenant="other", scopes=("bitcoin:spend",))
    assert refusal(lambda: principals.grant(table, OWNER, more, boss)) == (Forbidden, "access/more-than-own")
    assert principals.grant(table, OWNER, replace(ANNA, tenant="other"), boss).scopes == ("bitcoin:read",)


def test_who_is_revoked_is_a_stranger(table: SqliteTable) -> None:
    principals.grant(table, OWNER, ANNA, caller(table))
    assert principals.revoke(table, OWNER, "main", ANNA.did, caller(table)) == ANNA
    assert principals.find(table, OWNER, ANNA.did) is None
    assert refusal(lambda: principals.of_tenant(table, "main", ANNA.did)) == (NotFound, "access/principal")


def test_not_yours_and_not_there_are_the_same_answer(table: SqliteTable) -> None:
    principals.grant(table, OWNER, ANNA, caller(table))

    def answer(tenant: str, did: str) -> dict[str, object]:
        with pytest.raises(NotFound) as raised:
            principals.revoke(table, OWNER, tenant, did, caller(table))
        return raised.value.problem("r")

    assert answer("other", ANNA.did) == answer("other", "did:key:zNobody")
    assert principals.find(table, OWNER, ANNA.did) == ANNA


def test_pages_hold_one_tenants_principals_in_the_order_of_their_dids(table: SqliteTable) -> None:
    for number in range(5):
        principals.grant(table, OWNER, replace(ANNA, did=f"did:key:z{number}"), caller(table))
    principals.grant(table, OWNER, BOSS, caller(table))
    first, after = principals.listed(table, "main", after=None, limit=3)
    second, end = principals.listed(table, "main", after=after, limit=3)
    assert [one.did for one in first + second] == [f"did:key:z{number}" for number in range(5)]
    assert end is None
