"""Grants at their edges: two at one moment, limits that are just held, and what the table holds afterwards."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from isthmus.access import principals
from isthmus.access.caller import Caller
from isthmus.access.principals import MAX_HOUR_COUNT, PARTITION, Principal
from isthmus.failure import Conflict, Failure, Forbidden, NotFound
from isthmus.fields import MAX_MSAT
from isthmus.storage.adapters.sqlite import SqliteTable
from isthmus.storage.table import Item

OWNER = "did:key:zOwner"
ANNA = Principal("did:key:zAnna", "client", "main", ("bitcoin:read",), 10, 100, 5, 1_000, OWNER)
BOSS = Principal("did:key:zBoss", "owner", "other", ("bitcoin:read", "bitcoin:spend"), 1_000, 9_000, 50, 1_000, OWNER)


class Racing(SqliteTable):
    """A table in which somebody else writes just after a DID was read."""

    meanwhile: Callable[[], object] | None = None
    of: str = ""

    def get(self, pk: str, sk: str) -> Item | None:
        item = super().get(pk, sk)
        if self.meanwhile is not None and (pk, sk) == (PARTITION, self.of):
            write, self.meanwhile = self.meanwhile, None
            write()
        return item


@pytest.fixture
def table(tmp_path: Path) -> Racing:
    return Racing(tmp_path / "table.sqlite")


def caller(table: SqliteTable, did: str = OWNER) -> Caller:
    found = principals.find(table, OWNER, did)
    assert found is not None
    return principals.caller_of(found, 7)


def grant(table: SqliteTable, given: Principal, did: str = OWNER) -> Principal:
    return principals.grant(table, OWNER, given, caller(table, did))


def refusal(call: Callable[[], object]) -> tuple[type[Failure], str, str]:
    with pytest.raises(Failure) as raised:
        call()
    return type(raised.value), raised.value.code, str(raised.value)


def held(table: SqliteTable, pk: str) -> list[Item]:
    return [row.item for row in table.query(pk, limit=10).rows]


def test_the_owner_of_the_deployment_has_everything() -> None:
    table: Any = None  # it is not asked
    assert principals.find(table, OWNER, OWNER) == Principal(
        OWNER, "owner", "main", ("*",), MAX_MSAT, MAX_MSAT, MAX_HOUR_COUNT, 0, OWNER
    )


def test_a_caller_is_what_was_given_and_when_it_proved_itself(table: Racing) -> None:
    grant(table, BOSS)
    assert caller(table, BOSS.did) == Caller("did", BOSS.did, "owner", "other", BOSS.scopes, 7, 1_000)


def test_a_principal_stands_where_the_authorizer_looks_and_where_its_tenant_looks(table: Racing) -> None:
    grant(table, ANNA)
    item = asdict(ANNA) | {"scopes": ["bitcoin:read"]}
    assert held(table, PARTITION) == held(table, f"{PARTITION}/main") == [item]

    grant(table, replace(ANNA, tenant="other"))
    assert held(table, PARTITION) == held(table, f"{PARTITION}/other") == [item | {"tenant": "other"}]
    assert held(table, f"{PARTITION}/main") == []

    assert principals.revoke(table, OWNER, "other", ANNA.did, caller(table)) == replace(ANNA, tenant="other")
    assert held(table, PARTITION) == held(table, f"{PARTITION}/other") == []


def test_of_two_tenants_that_take_a_new_did_at_once_one_gets_it(table: Racing) -> None:
    by_owner = caller(table)
    first, second = replace(ANNA, tenant="one"), replace(ANNA, tenant="two")
    table.of, table.meanwhile = ANNA.did, lambda: principals.grant(table, OWNER, first, by_owner)

    with pytest.raises(Conflict):
        principals.grant(table, OWNER, second, by_owner)

    assert principals.find(table, OWNER, ANNA.did) == first
    assert held(table, f"{PARTITION}/two") == []


def test_a_did_that_is_moved_while_it_is_granted_or_revoked_stays_where_it_was_moved(table: Racing) -> None:
    by_owner = caller(table)
    grant(table, ANNA)
    moved = replace(ANNA, tenant="other")
    table.of, table.meanwhile = ANNA.did, lambda: principals.grant(table, OWNER, moved, by_owner)

    with pytest.raises(Conflict):
        principals.grant(table, OWNER, replace(ANNA, tenant="third"), by_owner)

    assert principals.find(table, OWNER, ANNA.did) == moved
    assert held(table, f"{PARTITION}/third") == []
    # What a tenant lists of a DID that left it in the meantime is no right to revoke it.
    table.put(f"{PARTITION}/main", ANNA.did, asdict(ANNA) | {"scopes": list(ANNA.scopes)})
    with pytest.raises(Conflict):
        principals.revoke(table, OWNER, "main", ANNA.did, caller(table))
    assert principals.find(table, OWNER, ANNA.did) == moved


def test_all_that_one_has_can_be_given_and_not_one_more_of_anything(table: Racing) -> None:
    grant(table, BOSS)
    most = Principal("did:key:zNew", "client", "other", BOSS.scopes, 1_000, 9_000, 50, 1, BOSS.did)
    assert grant(table, most, BOSS.did) == most

    more = (
        replace(most, max_msat=1_001),
        replace(most, day_msat=9_001),
        replace(most, hour_count=51),
        replace(most, scopes=(*BOSS.scopes, "pipeline:read")),
    )
    for given in more:
        assert refusal(lambda given=given: grant(table, given, BOSS.did)) == (  # type: ignore[misc]
            Forbidden,
            "access/more-than-own",
            "Nobody gives more than it has. Give scopes and limits within your own.",
        )
    by_less = replace(caller(table, BOSS.did), max_msat=999)
    assert refusal(lambda: principals.grant(table, OWNER, most, by_less))[1] == "access/more-than-own"
    assert principals.find(table, OWNER, most.did) == most


@pytest.mark.parametrize("stored", [None, replace(BOSS, role="operator"), replace(BOSS, tenant="third")])
def test_who_is_no_owner_of_its_tenant_any_more_gives_nothing(table: Racing, stored: Principal | None) -> None:
    grant(table, BOSS)
    proven = caller(table, BOSS.did)
    if stored is None:
        principals.revoke(table, OWNER, "other", BOSS.did, caller(table))
    else:
        grant(table, stored)

    assert refusal(lambda: principals.grant(table, OWNER, replace(ANNA, tenant="other"), proven)) == (
        Forbidden,
        "access/no-owner",
        "The caller is no longer an owner. Ask an owner to do this.",
    )


def test_each_refusal_says_what_to_do(table: Racing) -> None:
    grant(table, BOSS)
    grant(table, ANNA)
    for call in (
        lambda: grant(table, replace(ANNA, did=OWNER)),
        lambda: principals.revoke(table, OWNER, "main", OWNER, caller(table)),
    ):
        assert refusal(call) == (
            Conflict,
            "access/owner",
            (
                "This DID owns the deployment, and what it may is fixed. "
                "To change the owner, deploy with another OwnerDid."
            ),
        )
    assert refusal(lambda: grant(table, replace(ANNA, tenant="other"), BOSS.did)) == (
        Conflict,
        "access/did-taken",
        (
            "This DID cannot be granted anything here. "
            "Ask for another DID of the same holder, or ask the owner of the deployment."
        ),
    )
    for look in (principals.of_tenant, lambda *asked: principals.revoke(asked[0], OWNER, *asked[1:], caller(table))):
        assert refusal(lambda look=look: look(table, "other", ANNA.did)) == (  # type: ignore[misc]
            NotFound,
            "access/principal",
            "There is no such principal. GET /v1/access/principals lists those there are.",
        )
