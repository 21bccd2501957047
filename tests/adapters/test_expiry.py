"""Items whose time is over: readers see them until the store removes them."""

import sqlite3
import time
from pathlib import Path
from typing import Any

import boto3
import pytest

from isthmus.failure import Conflict
from isthmus.storage.adapters.dynamodb import DynamoDbTable
from isthmus.storage.adapters.sqlite import SqliteTable
from isthmus.storage.adapters.sqlite_expiry import EVERY_S, EVERY_WRITES, LONG_AGO_S, MAX_REMOVED
from isthmus.storage.table import Absent, Delete, Put, Table, expires_s

NOW_S = 1_800_000_000


class Held:
    """A clock that stands still until it is set."""

    now_s = NOW_S

    def __call__(self) -> int:
        return self.now_s


@pytest.fixture
def clock() -> Held:
    return Held()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.sqlite"


@pytest.fixture
def embedded(path: Path, clock: Held) -> SqliteTable:
    return SqliteTable(path, now_s=clock)


def later(table: SqliteTable, clock: Held) -> None:
    """So much time goes by that the next write removes what is due."""
    clock.now_s += EVERY_S
    table.put("other", "write", {})


def noted(path: Path) -> int:
    connection = sqlite3.connect(path)
    [(count,)] = connection.execute("SELECT count(*) FROM expiry")
    connection.close()
    return int(count)


@pytest.mark.parametrize("value", [None, True, "1800000000", [1], {"s": 1}])
def test_only_an_integer_is_a_time(value: Any) -> None:
    assert expires_s({"expires_at": value}) is None
    assert expires_s({"expires_at": NOW_S}) == NOW_S
    assert expires_s({}) is None


def test_an_item_is_there_until_it_is_removed_however_long_its_time_is_over(table: Table) -> None:
    over = {"expires_at": int(time.time()) - 100}
    table.put("p", "s", over)
    assert table.get("p", "s") == over
    assert [row.item for row in table.query("p").rows] == [over]
    with pytest.raises(Conflict):
        table.put("p", "s", {}, when=Absent())


def test_dynamodb_finds_the_time_where_it_looks_for_it(dynamodb: DynamoDbTable) -> None:
    dynamodb.put("p", "put", {"expires_at": NOW_S})
    dynamodb.transact([Put("p", "transact", {"expires_at": NOW_S}), Put("p", "never", {}), Put("p", "again", {})])
    dynamodb.put("p", "again", {"expires_at": NOW_S})
    dynamodb.put("p", "again", {"expires_at": "text"})

    found = boto3.client("dynamodb").scan(TableName=dynamodb._name)["Items"]

    top = {row["sk"]["S"]: row.get("expires_at") for row in found}
    assert top == {"put": {"N": str(NOW_S)}, "transact": {"N": str(NOW_S)}, "never": None, "again": None}


def test_what_is_due_goes_with_a_later_write_and_what_is_not_stays(embedded: SqliteTable, clock: Held) -> None:
    embedded.put("p", "due", {"expires_at": NOW_S + EVERY_S})
    embedded.put("p", "not due", {"expires_at": NOW_S + EVERY_S + 1})
    embedded.put("p", "never", {})
    later(embedded, clock)
    assert [row.sk for row in embedded.query("p").rows] == ["never", "not due"]


def test_before_it_is_time_nothing_is_removed(embedded: SqliteTable, clock: Held) -> None:
    embedded.put("p", "due", {"expires_at": NOW_S})
    clock.now_s += EVERY_S - 1
    embedded.put("other", "write", {})
    assert embedded.get("p", "due") is not None


def test_many_writes_remove_what_is_due_even_if_no_time_goes_by(embedded: SqliteTable) -> None:
    embedded.put("p", "due", {"expires_at": NOW_S})
    for number in range(EVERY_WRITES - 2):
        embedded.put("other", str(number), {})
    assert embedded.get("p", "due") is not None
    embedded.put("other", "last", {})
    assert embedded.get("p", "due") is None


def test_an_item_that_was_given_more_time_has_it(embedded: SqliteTable, clock: Held) -> None:
    embedded.put("p", "more", {"expires_at": NOW_S})
    embedded.put("p", "more", {"expires_at": NOW_S + 10 * EVERY_S})
    embedded.put("p", "ever", {"expires_at": NOW_S})
    embedded.put("p", "ever", {"n": 1})
    embedded.put("p", "text", {"expires_at": NOW_S})
    embedded.put("p", "text", {"expires_at": str(NOW_S)})
    later(embedded, clock)
    assert [row.sk for row in embedded.query("p").rows] == ["ever", "more", "text"]
    clock.now_s += 10 * EVERY_S
    later(embedded, clock)
    assert [row.sk for row in embedded.query("p").rows] == ["ever", "text"]


def test_an_item_that_was_deleted_and_put_anew_keeps_its_new_time(embedded: SqliteTable, clock: Held) -> None:
    embedded.put("p", "s", {"expires_at": NOW_S})
    embedded.transact([Delete("p", "s")])
    embedded.transact([Put("p", "s", {}, Absent())])
    later(embedded, clock)
    assert embedded.get("p", "s") == {}


def test_no_write_removes_more_than_the_limit_and_nothing_stays_for_ever(
    path: Path, embedded: SqliteTable, clock: Held
) -> None:
    for start in range(0, MAX_REMOVED + 50, 50):
        embedded.transact([Put("p", f"{start + n:05}", {"expires_at": NOW_S}) for n in range(50)])
    later(embedded, clock)
    assert len(embedded.query("p").rows) == 50
    later(embedded, clock)
    assert embedded.query("p").rows == ()
    assert noted(path) == 0


def test_a_time_that_is_no_time_at_all_does_no_harm(embedded: SqliteTable, clock: Held) -> None:
    for name, at in {"huge": 10**37, "negative": -1, "long ago": NOW_S - LONG_AGO_S}.items():
        embedded.put("p", name, {"expires_at": at})
    later(embedded, clock)
    assert [row.sk for row in embedded.query("p").rows] == ["huge", "long ago", "negative"]


def test_a_refused_transaction_notes_no_time(path: Path, embedded: SqliteTable) -> None:
    embedded.put("p", "s", {})
    with pytest.raises(Conflict):
        embedded.transact([Put("p", "t", {"expires_at": NOW_S}), Put("p", "s", {}, Absent())])
    assert noted(path) == 0


def test_a_write_is_good_even_if_nothing_can_be_removed_now(path: Path, embedded: SqliteTable, clock: Held) -> None:
    embedded.put("p", "due", {"expires_at": NOW_S})
    with embedded._connections.one() as connection:
        connection.execute("ALTER TABLE expiry RENAME TO gone")
    later(embedded, clock)
    assert embedded.get("other", "write") == {}
    assert embedded.get("p", "due") is not None


def test_a_file_from_before_items_expired_is_used_on(path: Path) -> None:
    old = sqlite3.connect(path)
    old.execute(
        "CREATE TABLE item (pk BLOB NOT NULL, sk BLOB NOT NULL, item TEXT NOT NULL, PRIMARY KEY (pk, sk))"
        " STRICT, WITHOUT ROWID"
    )
    old.execute("INSERT INTO item VALUES (?, ?, ?)", (b"p", b"s", '{"n":1}'))
    old.commit()
    old.close()
    table = SqliteTable(path)
    table.put("p", "t", {"expires_at": NOW_S})
    assert (table.get("p", "s"), noted(path)) == ({"n": 1}, 1)
