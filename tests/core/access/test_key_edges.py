"""Keys as they are shown, and what is said when keys cannot be used: API keys' and those that sign access tokens."""

from dataclasses import replace
from pathlib import Path

import pytest

from isthmus.access import api_keys, proving
from isthmus.access.adapters.token_file import FileTokenKeys
from isthmus.access.api_keys import HEADS, MAX_KEYS, Key, Wish
from isthmus.access.authentication import known_caller
from isthmus.access.budgets import NOTHING
from isthmus.access.key_views import KeyView, view
from isthmus.failure import Integrity, Limited
from isthmus.storage.table import Put
from tests.proofs import HeldClock, Place

KEY = Key("0" * 16, "one", "client", "main", ("bitcoin:read",), 1, 2, 3, 10, "did:x:y", expires_ms=100)


@pytest.mark.parametrize(("now_ms", "status"), [(99, "active"), (100, "expired"), (101, "expired")])
def test_a_key_is_shown_as_expired_from_the_millisecond_of_its_end(now_ms: int, status: str) -> None:
    assert view(KEY, now_ms).status == status
    assert view(replace(KEY, revoked_ms=50), now_ms).status == "revoked"


def test_a_key_is_shown_with_all_but_its_tenant() -> None:
    assert view(KEY, 0) == KeyView(
        key_id="0" * 16,
        name="one",
        status="active",
        role="client",
        scopes=("bitcoin:read",),
        max_msat=1,
        day_msat=2,
        hour_count=3,
        created_ms=10,
        created_by="did:x:y",
        expires_ms=100,
        revoked_ms=None,
    )
    assert view(replace(KEY, revoked_ms=50), 0).revoked_ms == 50


def test_who_has_too_many_keys_is_told_how_to_make_room(place: Place) -> None:
    owner = known_caller(place.owner.did, place.known, place.clock.now)
    wish = Wish("one", "client", ("bitcoin:read",), 90, NOTHING)
    api_keys.create(place.table, place.owner.did, owner, wish, place.clock.now)
    [row] = place.table.query(f"{HEADS}/main", limit=2).rows
    for start in range(1, MAX_KEYS, 50):
        numbers = range(start, min(start + 50, MAX_KEYS))
        place.table.transact([Put(f"{HEADS}/main", f"{number:013d}", row.item) for number in numbers])

    with pytest.raises(Limited) as refused:
        api_keys.create(place.table, place.owner.did, owner, wish, place.clock.now)

    assert (refused.value.code, str(refused.value)) == (
        "access/too-many-keys",
        (
            "The tenant has 1000 API keys. "
            "Revoke keys that nobody needs; a day after its end a key makes room for another."
        ),
    )


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("{}", 0o600, "is not what was written"),
        ('{"keys": []}', 0o600, "holds no key"),
        ('{"keys": []}', 0o604, "can be read by others"),
        ('{"keys": []}', 0o660, "can be read by others"),
    ],
)
def test_a_damaged_file_of_token_keys_says_what_to_do(tmp_path: Path, text: str, mode: int, why: str) -> None:
    path = tmp_path / "token-keys.json"
    path.write_text(text)
    path.chmod(mode)

    with pytest.raises(Integrity) as failed:
        FileTokenKeys(path, HeldClock()).public()

    assert (failed.value.code, str(failed.value)) == (
        "auth/token-keys",
        (
            f"The file of token keys {why}. "
            "Stop, look who wrote it, and remove it: a new one is made, and callers get new tokens."
        ),
    )


@pytest.mark.parametrize(("method", "digest"), [("GET", 0), ("DELETE", 0), ("POST", 1), ("PUT", 1)])
def test_the_digest_of_a_body_is_sent_where_there_may_be_one(method: str, digest: int) -> None:
    headers = proving.signed_headers(proving.new_key(), method, "https://api.test/v1/a?b=c", b"", 1_900_000_000)
    assert sorted(headers) == ["content-digest"] * digest + ["signature", "signature-input"]
