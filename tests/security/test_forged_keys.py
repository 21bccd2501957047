"""Forged API keys: not one is accepted, while the real ones are."""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from isthmus.access import api_keys
from isthmus.access.api_keys import DAY_MS, Wish
from isthmus.access.budgets import NOTHING
from isthmus.access.caller import Caller
from isthmus.failure import Unauthenticated
from isthmus.fields import MAX_MSAT
from isthmus.storage.adapters.sqlite import SqliteTable

NOW_MS = 1_800_000_000_000
OWNER = Caller("did", "did:key:zOwner", "owner", scopes=("*",), authenticated_ms=NOW_MS, max_msat=MAX_MSAT)


@dataclass(frozen=True)
class Keys:
    """Real keys of one deployment: two in force, one revoked after use, one expired; and a hash as it is stored."""

    real: str
    other: str
    revoked: str
    expired: str
    stored: str


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> SqliteTable:
    folder: Path = tmp_path_factory.mktemp("keys")
    return SqliteTable(folder / "table.sqlite", now_s=lambda: NOW_MS // 1000)


@pytest.fixture(scope="module")
def keys(table: SqliteTable) -> Keys:
    def make(now_ms: int = NOW_MS) -> str:
        wish = Wish("a", "client", ("bitcoin:read",), 1, NOTHING)
        return api_keys.create(table, OWNER.id, OWNER, wish, now_ms)[1].get_secret_value()

    real, other, revoked, expired = make(), make(), make(), make(NOW_MS - DAY_MS)
    assert accepted(table, revoked)
    api_keys.revoke(table, "main", revoked.split("_")[1], NOW_MS)
    item = table.get(api_keys.KEYS, real.split("_")[1])
    assert item is not None
    return Keys(real, other, revoked, expired, item["sha256"])


def accepted(table: SqliteTable, token: str) -> bool:
    try:
        api_keys.authenticate(table, OWNER.id, token, now_ms=NOW_MS, used_for="GET /v1/things")
    except Unauthenticated:
        return False
    return True


def parts(key: str) -> tuple[str, str]:
    _, key_id, secret = key.split("_")
    return key_id, secret


def flipped(key: str) -> str:
    return key[:-1] + ("0" if key[-1] != "0" else "1")


FORGED: dict[str, Callable[[Keys], str]] = {
    "nothing": lambda keys: "",
    "the prefix alone": lambda keys: "isk__",
    "no secret": lambda keys: f"isk_{parts(keys.real)[0]}_",
    "no key id": lambda keys: f"isk__{parts(keys.real)[1]}",
    "a secret that is off by one digit": lambda keys: flipped(keys.real),
    "a secret of zeros": lambda keys: f"isk_{parts(keys.real)[0]}_{'0' * 64}",
    "cut short": lambda keys: keys.real[:-1],
    "cut short at the front": lambda keys: keys.real[1:],
    "one digit more": lambda keys: keys.real + "0",
    "upper case": lambda keys: keys.real.upper(),
    "an upper-case secret": lambda keys: f"isk_{parts(keys.real)[0]}_{parts(keys.real)[1].upper()}",
    "another prefix": lambda keys: "key_" + keys.real[4:],
    "the key id of another": lambda keys: f"isk_{parts(keys.other)[0]}_{parts(keys.real)[1]}",
    "a key id that nobody has": lambda keys: f"isk_{'0' * 16}_{parts(keys.real)[1]}",
    "full-width digits": lambda keys: keys.real.translate({ord("0") + n: 0xFF10 + n for n in range(10)}),
    "half of a surrogate pair": lambda keys: keys.real[:-1] + "\ud800",
    "a space before": lambda keys: " " + keys.real,
    "a line break after": lambda keys: keys.real + "\n",
    "a zero byte after": lambda keys: keys.real + "\0",
    "two keys": lambda keys: f"{keys.real},{keys.other}",
    "very long": lambda keys: keys.real + "a" * 1_000_000,
    "in base64": lambda keys: base64.b64encode(keys.real.encode()).decode(),
    "percent-encoded": lambda keys: keys.real.replace("_", "%5F"),
    "the stored hash as the secret": lambda keys: f"isk_{parts(keys.real)[0]}_{keys.stored}",
    "the hash of nothing as the secret": lambda keys: (
        f"isk_{'0' * 16}_e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934c"
    ),
    "a path in the key id": lambda keys: f"isk_{parts(keys.real)[0]}/usage_{parts(keys.real)[1]}",
    "a wildcard": lambda keys: f"isk_*_{parts(keys.real)[1]}",
    "replayed after its revocation": lambda keys: keys.revoked,
    "revoked, with a wrong secret": lambda keys: flipped(keys.revoked),
    "expired": lambda keys: keys.expired,
    "expired, with a wrong secret": lambda keys: flipped(keys.expired),
}


def test_the_real_keys_are_accepted(table: SqliteTable, keys: Keys) -> None:
    assert accepted(table, keys.real)
    assert accepted(table, keys.other)


def test_there_are_twenty_forgeries_and_more_and_no_two_alike(keys: Keys) -> None:
    tokens = [forge(keys) for forge in FORGED.values()]
    assert len(set(tokens)) == len(tokens) >= 20
    assert keys.real not in tokens


@pytest.mark.parametrize("name", FORGED)
def test_no_forged_key_is_accepted(table: SqliteTable, keys: Keys, name: str) -> None:
    assert not accepted(table, FORGED[name](keys))


def test_all_that_are_wrong_get_one_and_the_same_answer(table: SqliteTable, keys: Keys) -> None:
    told = set()
    for name in FORGED.keys() - {"replayed after its revocation", "expired"}:
        with pytest.raises(Unauthenticated) as refused:
            api_keys.authenticate(table, OWNER.id, FORGED[name](keys), now_ms=NOW_MS, used_for="GET /")
        told.add(str(refused.value.problem("r")))
    assert len(told) == 1
    assert not re.search(r"[0-9a-f]{16}", told.pop())


def test_only_accepted_calls_are_noted(table: SqliteTable, keys: Keys) -> None:
    key_id = parts(keys.real)[0]
    before = len(api_keys.uses(table, "main", key_id, 100)[0])
    assert accepted(table, keys.real)
    for forge in FORGED.values():
        accepted(table, forge(keys))
    assert len(api_keys.uses(table, "main", key_id, 100)[0]) == before + 1
