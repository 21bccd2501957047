"""API keys: made once, narrower than who makes them, looked up in every call."""

import re
import traceback
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from isthmus.access import api_keys, principals
from isthmus.access.api_keys import DAY_MS, GRANTABLE, KEPT_DAYS, KEYS, MAX_KEYS, MAX_USED_FOR, Key, Wish
from isthmus.access.budgets import NOTHING, Limits
from isthmus.access.caller import ROLES, Caller, Role
from isthmus.access.limits import limits_of
from isthmus.access.principals import Principal
from isthmus.failure import Conflict, Failure, Forbidden, Limited, NotFound, Unauthenticated
from isthmus.storage.adapters.sqlite import SqliteTable
from isthmus.storage.table import Item, Put

NOW_MS = 1_800_000_000_000
OWNER = "did:key:zOwner"
WISH = Wish("a client", "client", ("bitcoin:read",), 90, NOTHING)
MAKER = Principal(
    "did:key:zMaker", "operator", "main", ("bitcoin:read", "bitcoin:spend"), 1_000, 5_000, 10, NOW_MS, OWNER
)


class Watched(SqliteTable):
    """A table that remembers what it was asked."""

    asked: list[tuple[str, str]]

    def get(self, pk: str, sk: str) -> Item | None:
        self.asked.append(("get", pk))
        return super().get(pk, sk)

    def put(self, pk: str, sk: str, item: Item, **more: Any) -> None:
        self.asked.append(("put", pk))
        super().put(pk, sk, item, **more)


@pytest.fixture
def table(tmp_path: Path) -> Watched:
    watched = Watched(tmp_path / "table.sqlite", now_s=lambda: NOW_MS // 1000)
    watched.asked = []
    return watched


def principal(table: SqliteTable, given: Principal = MAKER) -> Caller:
    """A principal that is stored, as a caller."""
    table.put(principals.PARTITION, given.did, vars(given) | {"scopes": list(given.scopes)})
    return principals.caller_of(given, NOW_MS)


def owner(**changes: Any) -> Caller:
    found = Principal(OWNER, "owner", "main", ("*",), principals.MAX_MSAT, principals.MAX_MSAT, 9, 0, OWNER)
    return replace(principals.caller_of(found, NOW_MS), **changes)


def made(table: SqliteTable, creator: Caller | None = None, *, now_ms: int = NOW_MS, **wish: Any) -> tuple[Key, str]:
    key, api_key = api_keys.create(table, OWNER, creator or owner(), replace(WISH, **wish), now_ms)
    return key, api_key.get_secret_value()


def asked(table: SqliteTable, token: str, *, now_ms: int = NOW_MS, used_for: str = "GET /v1/things") -> Caller:
    return api_keys.authenticate(table, OWNER, token, now_ms=now_ms, used_for=used_for)


def refusal(table: SqliteTable, token: str, *, now_ms: int = NOW_MS) -> Failure:
    with pytest.raises(Unauthenticated) as refused:
        asked(table, token, now_ms=now_ms)
    return refused.value


# What a key is


def test_a_key_has_an_id_and_256_random_bits(table: Watched) -> None:
    key, token = made(table)
    assert re.fullmatch(r"isk_[0-9a-f]{16}_[0-9a-f]{64}", token)
    assert token.split("_")[1] == key.key_id
    assert made(table)[1].split("_")[2] != token.split("_")[2]


def test_only_the_hash_of_a_key_is_stored_and_only_where_it_is_looked_up(table: Watched) -> None:
    key, token = made(table)
    asked(table, token)
    connection = table._connections
    with connection.one() as lent:
        rows = [str(row) for row in lent.execute("SELECT CAST(pk AS TEXT), CAST(sk AS TEXT), item FROM item")]
    secret, digest = token.split("_")[2], sha256(token.encode()).hexdigest()
    assert not any(secret in row for row in rows)
    assert [digest in row for row in rows].count(True) == 1
    assert table.get(KEYS, key.key_id) is not None


def test_a_key_is_not_seen_in_what_is_printed_of_it(table: Watched) -> None:
    _, api_key = api_keys.create(table, OWNER, owner(), WISH, NOW_MS)
    assert api_key.get_secret_value() not in f"{api_key} {api_key!r}"
    assert isinstance(api_key, SecretStr)


def test_a_key_ends_after_the_days_that_were_asked_for(table: Watched) -> None:
    key, token = made(table, days=1)
    assert key.expires_ms == NOW_MS + DAY_MS
    assert asked(table, token, now_ms=key.expires_ms - 1).id == key.key_id
    assert refusal(table, token, now_ms=key.expires_ms).code == "auth/key-expired"


# Who may make which


def test_the_caller_that_a_key_stands_for_is_what_was_asked_for(table: Watched) -> None:
    limits = Limits(10, 20, 3)
    key, token = made(table, principal(table), scopes=("bitcoin:spend",), limits=limits)
    caller = asked(table, token, now_ms=NOW_MS + 5)
    assert caller == Caller("key", key.key_id, "client", "main", ("bitcoin:spend",), NOW_MS + 5, 10)
    assert limits_of(table, OWNER, caller) == limits


def test_all_scopes_are_those_that_the_creator_has_now(table: Watched) -> None:
    assert made(table, principal(table), scopes=("*",))[0].scopes == MAKER.scopes
    assert made(table, scopes=("*",))[0].scopes == ("*",)
    assert made(table, scopes=())[0].scopes == ()


@pytest.mark.parametrize("creator", ROLES)
@pytest.mark.parametrize("role", ROLES)
def test_no_key_has_a_role_above_its_creator_s(table: Watched, creator: Role, role: Role) -> None:
    caller = principal(table, replace(MAKER, role=creator))
    if role in GRANTABLE.get(creator, ()):
        assert made(table, caller, role=role)[0].role == role
    else:
        with pytest.raises(Forbidden):
            made(table, caller, role=role)


def test_no_role_may_make_an_owner_or_what_only_the_platform_is() -> None:
    assert {role for granted in GRANTABLE.values() for role in granted} == {"operator", "auditor", "client"}
    assert GRANTABLE["client"] == ("client",)


@pytest.mark.parametrize(
    ("wish", "named"),
    [
        ({"scopes": ("bitcoin:read", "pipeline:read")}, "scopes"),
        ({"role": "owner"}, "role"),
        ({"limits": Limits(1_001, 0, 0)}, "max_msat"),
        ({"limits": Limits(0, 5_001, 0)}, "day_msat"),
        ({"limits": Limits(0, 0, 11)}, "hour_count"),
    ],
)
def test_no_key_has_more_than_its_creator(table: Watched, wish: dict[str, Any], named: str) -> None:
    with pytest.raises(Forbidden) as refused:
        made(table, principal(table), **wish)
    assert refused.value.detail.endswith(f": {named}.")


def test_a_key_of_a_narrow_token_is_no_wider_than_the_token(table: Watched) -> None:
    narrow = replace(principal(table), scopes=("bitcoin:read",), max_msat=10)
    assert made(table, narrow, scopes=("*",))[0].scopes == ("bitcoin:read",)
    with pytest.raises(Forbidden):
        made(table, narrow, scopes=("bitcoin:spend",))
    with pytest.raises(Forbidden):
        made(table, narrow, limits=Limits(11, 0, 0))


@pytest.mark.parametrize("kind", ["key", "execution", "schedule", "letter", "anonymous"])
def test_only_a_did_makes_keys(table: Watched, kind: Any) -> None:
    with pytest.raises(Forbidden) as refused:
        made(table, owner(kind=kind))
    assert refused.value.code == "access/key-by-key"


def test_who_was_an_operator_five_minutes_ago_makes_no_key_for_a_year(table: Watched) -> None:
    then = principals.caller_of(MAKER, NOW_MS)
    for now in (
        replace(MAKER, role="auditor"),
        replace(MAKER, tenant="elsewhere"),
        replace(MAKER, did="did:key:zOther"),
    ):
        principal(table, now)
        with pytest.raises(Forbidden) as refused:
            made(table, then)
        assert refused.value.code == "access/changed"
        table.delete(principals.PARTITION, MAKER.did)


@pytest.mark.parametrize("held", [(), ("bitcoin:spend",)])
def test_a_key_has_no_scopes_that_its_creator_s_token_or_grant_has_not(table: Watched, held: tuple[str, ...]) -> None:
    caller = replace(principal(table, replace(MAKER, scopes=("bitcoin:read",))), scopes=held)
    with pytest.raises(Forbidden):
        made(table, caller, scopes=("bitcoin:read",))
    with pytest.raises(Forbidden):
        made(table, caller, scopes=("bitcoin:spend",))
    assert made(table, replace(caller, scopes=()), scopes=("*",))[0].scopes == ()
    assert made(table, caller, scopes=())[0].scopes == ()


def test_all_keys_of_one_creator_share_its_limits_and_revoking_gives_nothing_back_for_a_day(table: Watched) -> None:
    maker, half = principal(table), Limits(1_000, 2_500, 5)
    first, _ = made(table, maker, limits=half)
    made(table, maker, limits=half)
    api_keys.revoke(table, "main", first.key_id, NOW_MS)

    for limits in (Limits(0, 1, 0), Limits(0, 0, 1)):
        with pytest.raises(Forbidden):
            made(table, maker, limits=limits, now_ms=NOW_MS + DAY_MS - 1)
    assert made(table, maker, limits=half, now_ms=NOW_MS + DAY_MS)[0].limits == half
    assert made(table, limits=half)[0].limits == half


def test_of_two_keys_that_are_made_at_one_moment_one_is_refused(table: Watched) -> None:
    maker, inner = principal(table), []
    plain_query = table.query

    def query(pk: str, **more: Any) -> Any:
        found = plain_query(pk, **more)
        if not inner:
            inner.append(pk)
            made(table, maker, limits=Limits(0, 5_000, 0))
        return found

    # The other key is made after this one has counted and before it is written.
    table.query = query  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        made(table, maker, limits=Limits(0, 5_000, 0))
    assert len(api_keys.newest(table, "main", 10)[0]) == 1


def test_a_tenant_has_a_thousand_keys_and_no_more(table: Watched) -> None:
    shown = table.query(api_keys._listed("main")).rows
    assert shown == ()
    key, _ = made(table)
    [row] = table.query(api_keys._listed("main")).rows
    for start in range(0, MAX_KEYS - 2, 50):
        numbers = range(start, min(start + 50, MAX_KEYS - 2))
        table.transact([Put(api_keys._listed("main"), f"{n:013d}-{key.key_id}", row.item) for n in numbers])
    made(table)
    with pytest.raises(Limited):
        made(table)


# Who calls with a key


def test_no_forged_key_is_told_from_a_wrong_one(table: Watched) -> None:
    _, token = made(table)
    revoked, revoked_token = made(table)
    api_keys.revoke(table, "main", revoked.key_id, NOW_MS)
    wrong, nobody = token[:-1] + ("0" if token[-1] != "0" else "1"), "isk_" + "0" * 16 + "_" + "0" * 64
    wrong_revoked = f"{revoked_token[:21]}{token[21:]}"
    table.asked.clear()

    answers, work = [], []
    for forged in (wrong, nobody, wrong_revoked):
        answers.append(refusal(table, forged).problem("one"))
        work.append(tuple(table.asked))
        table.asked.clear()

    assert answers[0] == answers[1] == answers[2] == refusal(table, "no key at all").problem("one")
    assert set(work) == {(("get", KEYS),)}


def test_an_expired_key_with_a_wrong_secret_is_a_wrong_key(table: Watched) -> None:
    key, token = made(table)
    other = token[:-1] + ("0" if token[-1] != "0" else "1")
    assert refusal(table, other, now_ms=key.expires_ms).problem("") == refusal(table, other).problem("")


def test_a_revoked_key_is_refused_in_the_very_next_call(table: Watched) -> None:
    key, token = made(table, limits=Limits(1, 2, 3))
    assert asked(table, token).id == key.key_id
    api_keys.revoke(table, "main", key.key_id, NOW_MS)
    assert refusal(table, token).code == "auth/key-revoked"
    assert limits_of(table, OWNER, Caller("key", key.key_id, "client", max_msat=1)) == NOTHING


def test_no_refusal_says_anything_of_the_key_it_refuses(table: Watched) -> None:
    key, token = made(table)
    api_keys.revoke(table, "main", key.key_id, NOW_MS)
    for candidate in (token, token[:-1] + "x"):
        failure = refusal(table, candidate)
        text = "".join(traceback.format_exception(failure)) + repr(failure) + str(failure.problem("one"))
        assert candidate.split("_")[2] not in text
        assert key.key_id not in text


# What is kept


def test_every_call_is_noted_and_every_refusal_is_not(table: Watched) -> None:
    key, token = made(table)
    for number in range(3):
        asked(table, token, now_ms=NOW_MS + number, used_for=f"GET /v1/{number}")
    refusal(table, token[:-1] + "x")
    found, after = api_keys.uses(table, "main", key.key_id, 2)
    assert [(use.at_ms, use.used_for) for use in found] == [(NOW_MS + 2, "GET /v1/2"), (NOW_MS + 1, "GET /v1/1")]
    rest, end = api_keys.uses(table, "main", key.key_id, 2, after)
    assert ([use.used_for for use in rest], end) == (["GET /v1/0"], None)


def test_calls_of_one_millisecond_are_all_noted(table: Watched) -> None:
    key, token = made(table)
    for _ in range(5):
        asked(table, token)
    assert len(api_keys.uses(table, "main", key.key_id, 10)[0]) == 5


def test_what_a_call_was_for_is_kept_whatever_it_says_and_not_at_length(table: Watched) -> None:
    key, token = made(table)
    asked(table, token, used_for="GET /\ud800" + "x" * 10_000)
    [use] = api_keys.uses(table, "main", key.key_id, 10)[0]
    assert use.used_for.startswith("GET /?xxx")
    assert len(use.used_for) == MAX_USED_FOR


def test_uses_and_ended_keys_are_kept_for_ninety_days(table: Watched) -> None:
    key, token = made(table, days=10)
    asked(table, token)
    [row] = table.query(f"{KEYS}/{key.key_id}/usage").rows
    assert row.item["expires_at"] == (NOW_MS + KEPT_DAYS * DAY_MS) // 1000

    def kept_until() -> list[int]:
        copies = [table.get(KEYS, key.key_id) or {}, table.query(api_keys._listed("main")).rows[0].item]
        return [copy["expires_at"] for copy in copies]

    assert kept_until() == [(key.expires_ms + KEPT_DAYS * DAY_MS) // 1000] * 2
    api_keys.revoke(table, "main", key.key_id, NOW_MS + 5000)
    assert kept_until() == [(NOW_MS + 5000 + KEPT_DAYS * DAY_MS) // 1000] * 2


def test_revoking_again_changes_nothing(table: Watched) -> None:
    key, _ = made(table)
    first = api_keys.revoke(table, "main", key.key_id, NOW_MS + 1)
    assert api_keys.revoke(table, "main", key.key_id, NOW_MS + 2) == first
    assert first == replace(key, revoked_ms=NOW_MS + 1)


def test_who_revokes_a_moment_later_sees_the_first_one_s_revocation(table: Watched) -> None:
    key, _ = made(table)
    plain, raced = table.transact, []

    def transact(writes: Any) -> None:
        if not raced:
            raced.append(True)
            api_keys.revoke(table, "main", key.key_id, NOW_MS + 1)
        plain(writes)

    table.transact = transact  # type: ignore[method-assign]
    assert api_keys.revoke(table, "main", key.key_id, NOW_MS + 2).revoked_ms == NOW_MS + 1


def test_the_list_shows_the_newest_first_and_what_became_of_each(table: Watched) -> None:
    made_keys = [made(table, now_ms=NOW_MS + number)[0] for number in range(3)]
    revoked = api_keys.revoke(table, "main", made_keys[1].key_id, NOW_MS + 9)
    first, after = api_keys.newest(table, "main", 2)
    rest, end = api_keys.newest(table, "main", 2, after)
    assert [*first, *rest] == [made_keys[2], revoked, made_keys[0]]
    assert end is None


def test_another_tenant_s_key_is_as_one_that_is_not_there(table: Watched) -> None:
    key, _ = made(table)
    told = []
    for tenant, key_id in (("other", key.key_id), ("main", "0" * 16)):
        for ask in (
            lambda tenant=tenant, key_id=key_id: api_keys.revoke(table, tenant, key_id, NOW_MS),
            lambda tenant=tenant, key_id=key_id: api_keys.uses(table, tenant, key_id, 10),
        ):
            with pytest.raises(NotFound) as failed:
                ask()
            told.append(failed.value.problem("one"))
    assert all(one == told[0] for one in told)
    assert api_keys.newest(table, "other", 10) == ([], None)
    assert api_keys.find(table, key.key_id) == key


# Limits, wherever they stand


def test_a_did_has_the_limits_it_was_granted_and_the_owner_all_there_is(table: Watched) -> None:
    assert limits_of(table, OWNER, principal(table)) == Limits(1_000, 5_000, 10)
    assert limits_of(table, OWNER, replace(principal(table), max_msat=7)).max_msat == 7
    assert limits_of(table, OWNER, owner()).day_msat == principals.MAX_MSAT


@pytest.mark.parametrize("kind", ["did", "key", "execution", "schedule", "letter", "anonymous"])
def test_who_is_not_known_may_spend_nothing(table: Watched, kind: Any) -> None:
    assert limits_of(table, OWNER, Caller(kind, "stranger", "client", max_msat=5)) == NOTHING


def test_a_key_ends_with_the_access_of_who_made_it(table: SqliteTable) -> None:
    _, token = made(table, principal(table))
    assert asked(table, token).kind == "key"

    table.delete(principals.PARTITION, "did:key:zMaker")
    assert refusal(table, token).code == "auth/key-revoked"


def test_a_key_ends_when_its_maker_moves_to_another_tenant(table: SqliteTable) -> None:
    _, token = made(table, principal(table))
    item = table.get(principals.PARTITION, "did:key:zMaker")
    assert item is not None
    table.put(principals.PARTITION, "did:key:zMaker", item | {"tenant": "other"})

    assert refusal(table, token).code == "auth/key-revoked"


def test_a_key_ends_when_its_maker_may_not_have_a_key_of_its_role_any_more(table: Watched) -> None:
    _, token = made(table, principal(table), role="operator")
    principal(table, replace(MAKER, role="client"))
    assert refusal(table, token).code == "auth/key-revoked"

    principal(table)
    assert asked(table, token).role == "operator"


@pytest.mark.parametrize("scopes", [("bitcoin:read", "bitcoin:spend"), ("*",)])
def test_a_key_loses_the_scopes_and_limits_that_its_maker_loses(table: Watched, scopes: tuple[str, ...]) -> None:
    _, token = made(table, principal(table), scopes=scopes, limits=Limits(1_000, 5_000, 10))
    principal(table, replace(MAKER, scopes=("bitcoin:read",), max_msat=7, day_msat=8, hour_count=9))
    by_key = asked(table, token)
    assert (by_key.scopes, by_key.max_msat) == (("bitcoin:read",), 7)
    assert limits_of(table, OWNER, by_key) == Limits(7, 8, 9)


def test_a_key_gets_nothing_that_its_maker_was_given_later(table: Watched) -> None:
    _, token = made(table, principal(table), limits=Limits(1, 2, 3))
    principal(table, replace(MAKER, role="owner", scopes=("*",), max_msat=9_000))
    by_key = asked(table, token)
    assert (by_key.role, by_key.scopes) == ("client", ("bitcoin:read",))
    assert limits_of(table, OWNER, by_key) == Limits(1, 2, 3)


def test_where_there_is_no_room_a_key_that_ended_a_day_ago_is_forgotten(
    table: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_keys, "MAX_KEYS", 3)
    lasts, ended, _ = (made(table, now_ms=NOW_MS + number)[0] for number in range(3))
    api_keys.revoke(table, "main", ended.key_id, NOW_MS + 5)
    with pytest.raises(Limited):
        made(table, now_ms=NOW_MS + 4 + DAY_MS)

    another, _ = made(table, now_ms=NOW_MS + 5 + DAY_MS)

    listed, _ = api_keys.newest(table, "main", 10)
    assert ended.key_id not in {key.key_id for key in listed}
    assert {lasts.key_id, another.key_id} < {key.key_id for key in listed}
    assert api_keys.find(table, ended.key_id) is None
    with pytest.raises(Limited):
        made(table, now_ms=NOW_MS + 6 + DAY_MS)
