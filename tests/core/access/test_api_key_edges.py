"""API keys at their edges: what each refusal says, the last millisecond, and limits that are just held."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isthmus.access import api_keys, principals
from isthmus.access.api_keys import DAY_MS, MAX_USED_FOR, Key, Wish
from isthmus.access.budgets import NOTHING, Limits
from isthmus.access.caller import Caller
from isthmus.access.limits import limits_of
from isthmus.access.principals import Principal
from isthmus.failure import Conflict, Failure, Forbidden, NotFound, Unauthenticated
from isthmus.storage.adapters.sqlite import SqliteTable
from isthmus.storage.table import Item

NOW_MS = 1_900_000_000_123
OWNER = "did:key:zOwner"
WISH = Wish("one", "client", ("bitcoin:read",), 90, NOTHING)
MAKER = Principal("did:key:zMaker", "operator", "main", ("bitcoin:read",), 1_000, 5_000, 10, 1, OWNER)


class Racing(SqliteTable):
    """A table in which somebody else writes just after an item was read."""

    meanwhile: Callable[[], object] | None = None

    def get(self, pk: str, sk: str) -> Item | None:
        item = super().get(pk, sk)
        if self.meanwhile is not None:
            write, self.meanwhile = self.meanwhile, None
            write()
        return item


@pytest.fixture
def table(tmp_path: Path) -> Racing:
    made = Racing(tmp_path / "table.sqlite", now_s=lambda: NOW_MS // 1000)
    made.put(principals.PARTITION, MAKER.did, vars(MAKER) | {"scopes": list(MAKER.scopes)})
    return made


MAKES = principals.caller_of(MAKER, NOW_MS)


def create(table: SqliteTable, wish: Wish = WISH, by: Caller = MAKES, now_ms: int = NOW_MS) -> tuple[Key, str]:
    key, secret = api_keys.create(table, OWNER, by, wish, now_ms)
    return key, secret.get_secret_value()


def authenticate(table: SqliteTable, token: str, now_ms: int = NOW_MS, used_for: str = "GET /x") -> Caller:
    return api_keys.authenticate(table, OWNER, token, now_ms=now_ms, used_for=used_for)


def refusal(call: Callable[[], object]) -> tuple[type[Failure], str, str]:
    with pytest.raises(Failure) as raised:
        call()
    return type(raised.value), raised.value.code, str(raised.value)


def test_a_key_is_good_until_the_millisecond_of_its_end(table: Racing) -> None:
    key, token = create(table)
    assert key.expires_ms == NOW_MS + 90 * DAY_MS
    assert authenticate(table, token, key.expires_ms - 1).id == key.key_id
    assert refusal(lambda: authenticate(table, token, key.expires_ms)) == (
        Unauthenticated,
        "auth/key-expired",
        "The API key has expired. Ask for another one.",
    )


def test_a_revoked_key_says_so_also_when_it_has_expired(table: Racing) -> None:
    key, token = create(table)
    api_keys.revoke(table, "main", key.key_id, NOW_MS + 1)
    for now_ms in (NOW_MS, key.expires_ms):
        assert refusal(lambda now_ms=now_ms: authenticate(table, token, now_ms)) == (  # type: ignore[misc]
            Unauthenticated,
            "auth/key-revoked",
            "The API key is revoked. Ask for another one.",
        )


@pytest.mark.parametrize("spoil", [lambda t: t[:-1], lambda t: t.upper(), lambda t: t[:-1] + "g", lambda t: t + "\n"])
def test_a_key_that_is_not_spelled_as_it_was_made_is_nobody_s(table: Racing, spoil: Callable[[str], str]) -> None:
    _, token = create(table)
    assert refusal(lambda: authenticate(table, spoil(token))) == (
        Unauthenticated,
        "auth/key",
        (
            "Nobody has this API key. Send `Authorization: Bearer isk_<key id>_<secret>` "
            "as the key was shown when it was made."
        ),
    )


KEY = Key("one", "one", "client", "main", (), 0, 0, 0, 1, "did:x:y", expires_ms=100)


@pytest.mark.parametrize(
    ("key", "ended_ms"), [(KEY, 100), (replace(KEY, revoked_ms=50), 50), (replace(KEY, revoked_ms=200), 100)]
)
def test_a_key_has_ended_when_it_was_revoked_or_expired_whichever_is_first(key: Key, ended_ms: int) -> None:
    assert (key.ended(ended_ms - 1), key.ended(ended_ms)) == (False, True)


def test_what_a_key_was_used_for_is_kept_short_and_for_ninety_days(table: Racing) -> None:
    key, token = create(table)
    for used_for in ("x" * (MAX_USED_FOR + 1), "\ud800"):
        authenticate(table, token, used_for=used_for)

    uses, _ = api_keys.uses(table, "main", key.key_id, 5)
    assert {use.used_for for use in uses} == {"x" * MAX_USED_FOR, "?"}
    rows = table.query(f"access/keys/{key.key_id}/usage", limit=5).rows
    assert {row.item["expires_at"] for row in rows} == {(NOW_MS + 90 * DAY_MS) // 1000}
    assert all(row.sk.startswith(f"{NOW_MS}-") for row in rows)


def test_a_key_is_kept_for_ninety_days_after_its_end(table: Racing) -> None:
    key, _ = create(table)
    item = table.get("access/keys", key.key_id)
    assert item is not None
    assert item["expires_at"] == (NOW_MS + 180 * DAY_MS) // 1000

    api_keys.revoke(table, "main", key.key_id, NOW_MS + 7 * DAY_MS)
    item = table.get("access/keys", key.key_id)
    assert item is not None
    assert item["expires_at"] == (NOW_MS + 97 * DAY_MS) // 1000


def test_all_that_the_creator_has_can_be_given_at_once_and_nothing_is_left_then(table: Racing) -> None:
    key, _ = create(table, replace(WISH, limits=Limits(1_000, 5_000, 10)))
    assert key.limits == Limits(1_000, 5_000, 10)

    for limits, names in (
        (Limits(1_001, 0, 0), "max_msat"),
        (Limits(0, 1, 0), "day_msat"),
        (Limits(0, 0, 1), "hour_count"),
        (Limits(1_001, 1, 1), "max_msat, day_msat, hour_count"),
    ):
        assert refusal(lambda limits=limits: create(table, replace(WISH, limits=limits))) == (  # type: ignore[misc]
            Forbidden,
            "access/more-than-own",
            (
                f"The key would have more than its creator has left to give: {names}. "
                "Ask for less; all keys of one creator share its limits, and no key is an owner."
            ),
        )
    assert create(table)[0].limits == NOTHING


def test_a_key_that_ended_a_day_ago_leaves_its_limits_to_others(table: Racing) -> None:
    most = replace(WISH, days=1, limits=Limits(1_000, 5_000, 10))
    create(table, most)
    with pytest.raises(Forbidden):
        create(table, most, now_ms=NOW_MS + 2 * DAY_MS - 1)
    assert create(table, most, now_ms=NOW_MS + 2 * DAY_MS)[0].limits == most.limits


def test_role_and_scopes_that_are_not_the_creator_s_are_named(table: Racing) -> None:
    wish = replace(WISH, role="owner", scopes=("bitcoin:read", "bitcoin:spend"))
    kind, code, text = refusal(lambda: create(table, wish))
    assert (kind, code) == (Forbidden, "access/more-than-own")
    assert text.startswith("The key would have more than its creator has left to give: role, scopes. ")


def test_only_who_proves_a_did_makes_keys(table: Racing) -> None:
    assert refusal(lambda: create(table, by=replace(MAKES, kind="key"))) == (
        Forbidden,
        "access/key-by-key",
        (
            "API keys are made by who proves a DID, and by nobody else. "
            "Ask with a DPoP access token or a signature (RFC 9421)."
        ),
    )


@pytest.mark.parametrize("changes", [{"role": "owner"}, {"tenant": "other"}, {"id": "did:key:zStranger"}])
def test_who_is_no_longer_what_it_proved_makes_no_keys(table: Racing, changes: Mapping[str, Any]) -> None:
    assert refusal(lambda: create(table, by=replace(MAKES, **changes))) == (
        Forbidden,
        "access/changed",
        "The caller is no longer what its proof says. Get a new access token, and see what it may do.",
    )


def test_another_tenant_s_key_is_not_there(table: Racing) -> None:
    key, _ = create(table)
    for look in (
        lambda: api_keys.revoke(table, "other", key.key_id, NOW_MS),
        lambda: api_keys.uses(table, "other", key.key_id, 5),
        lambda: api_keys.revoke(table, "main", "another", NOW_MS),
    ):
        assert refusal(look) == (
            NotFound,
            "access/key",
            "There is no such API key. `list_keys` shows those there are.",
        )


def test_of_two_keys_made_at_once_one_is_refused_and_leaves_nothing(table: Racing) -> None:
    for _ in range(2):  # the tenant's first keys, and later ones
        before, _ = api_keys.newest(table, "main", 10)
        table.meanwhile = lambda: create(table)
        with pytest.raises(Conflict):
            create(table)
        after, _ = api_keys.newest(table, "main", 10)
        assert len(after) == len(before) + 1


def test_the_first_revocation_stands_when_two_revoke_at_once(table: Racing) -> None:
    key, _ = create(table)
    table.meanwhile = lambda: api_keys.revoke(table, "main", key.key_id, NOW_MS + 1)

    assert api_keys.revoke(table, "main", key.key_id, NOW_MS + 2).revoked_ms == NOW_MS + 1
    assert [one.revoked_ms for one in api_keys.newest(table, "main", 5)[0]] == [NOW_MS + 1]


def test_a_caller_s_limits_are_those_it_has_now(table: Racing) -> None:
    key, token = create(table, replace(WISH, limits=Limits(7, 8, 9)))
    by_key = authenticate(table, token)

    assert limits_of(table, OWNER, by_key) == Limits(7, 8, 9)
    assert limits_of(table, OWNER, MAKES) == Limits(1_000, 5_000, 10)
    assert limits_of(table, OWNER, replace(MAKES, max_msat=3)) == Limits(3, 5_000, 10)
    for nobody in (
        replace(MAKES, id="did:key:zStranger"),
        replace(MAKES, kind="execution"),
        replace(by_key, id="another"),
        replace(by_key, kind="did"),
    ):
        assert limits_of(table, OWNER, nobody) == NOTHING
    api_keys.revoke(table, "main", key.key_id, NOW_MS)
    assert limits_of(table, OWNER, by_key) == NOTHING
