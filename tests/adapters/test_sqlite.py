"""What only the embedded Table does: one file for many threads and processes."""

import functools
import os
import socket
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isthmus.failure import Conflict, Integrity, Unavailable, Upstream
from isthmus.storage.adapters.sqlite import SOON_S, SqliteTable
from isthmus.storage.table import MAX_PAGE, Absent, Item, Put, version

AtOnce = Callable[[int, Callable[[int], Any]], list[Any]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "table.sqlite"


def in_a_fork(work: Callable[[], bool]) -> int:
    """The process id of a forked child that ends with 0 when the work is true."""
    child = os.fork()
    if child == 0:
        answer = False
        try:
            answer = work()
        finally:
            os._exit(0 if answer else 1)
    return child


def ended_well(child: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_nothing_is_made_before_the_first_use(path: Path) -> None:
    table = SqliteTable(path)
    assert not path.parent.exists()
    assert table.get("p", "s") is None
    assert path.exists()


def test_nobody_else_on_the_machine_may_read_the_file(path: Path) -> None:
    SqliteTable(path).put("p", "s", {})
    files = {file.name: file.stat().st_mode & 0o077 for file in path.parent.iterdir()}
    assert set(files.values()) == {0}
    assert path.parent.stat().st_mode & 0o077 == 0


def test_another_table_on_the_same_file_sees_the_items(path: Path) -> None:
    SqliteTable(path).put("p", "s", {"n": 1})
    assert SqliteTable(path).get("p", "s") == {"n": 1}


def test_the_file_can_be_read_with_any_sqlite(path: Path) -> None:
    SqliteTable(path).put("p", "s", {"text": "ü", "n": 10**37})
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT CAST(pk AS TEXT), CAST(sk AS TEXT), item FROM item").fetchall()
    connection.close()
    assert rows == [("p", "s", '{"text":"ü","n":10000000000000000000000000000000000000}')]


def test_many_threads_may_make_the_first_use_together(path: Path, at_once: AtOnce) -> None:
    table = SqliteTable(path)
    at_once(16, lambda number: table.put("p", f"{number:02}", {}))
    assert len(table.query("p").rows) == 16


def test_a_write_that_waits_too_long_is_unavailable_and_reads_go_on(path: Path) -> None:
    table = SqliteTable(path, patience_s=0.01)
    table.put("p", "s", {"n": 1})
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as failure:
        table.put("p", "s", {"n": 2})
    assert failure.value.upstream == Upstream("sqlite", "SQLITE_BUSY")
    assert table.get("p", "s") == {"n": 1}
    other.execute("ROLLBACK")
    other.close()
    table.put("p", "s", {"n": 2})
    assert table.get("p", "s") == {"n": 2}


def test_a_file_that_is_no_database_is_an_integrity_failure(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(Integrity):
        SqliteTable(path).get("p", "s")


def test_a_place_where_no_file_can_be_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable):
        SqliteTable(tmp_path / "file" / "table.sqlite").get("p", "s")


def test_a_full_disk_is_unavailable_and_changes_nothing(path: Path) -> None:
    table = SqliteTable(path)
    table.put("p", "s", {"n": 1})
    with table._connections.one() as connection:
        [pages] = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Unavailable):
        table.transact([Put("p", "s", {"n": 2}), Put("p", "t", {"text": "x" * 100_000})])
    assert (table.get("p", "s"), table.get("p", "t")) == ({"n": 1}, None)


def test_the_largest_page_is_given_whole_and_no_larger(path: Path) -> None:
    table = SqliteTable(path)
    for start in range(0, MAX_PAGE + 100, 100):
        table.transact([Put("p", f"{number:04}", {}) for number in range(start, start + 100)])
    page = table.query("p", limit=MAX_PAGE)
    assert (len(page.rows), page.after) == (MAX_PAGE, f"{MAX_PAGE - 1:04}")


def test_processes_that_make_the_file_together_increment_one_counter_exactly(path: Path, children: Any) -> None:
    for _ in range(4):
        children.start("increment-item", path, 50)
    children.go()
    for child in children.started:
        child.communicate()
    assert [child.returncode for child in children.started] == [0] * 4
    assert SqliteTable(path).get("p", "counter") == {"version": 200}


def test_a_forked_child_and_its_parent_both_go_on(path: Path) -> None:
    table = SqliteTable(path)
    table.put("p", "s", {"version": 1})

    def work() -> bool:
        table.put("p", "s", {"version": 2}, when=version(1))
        return table.get("p", "s") == {"version": 2}

    assert ended_well(in_a_fork(work))
    table.put("p", "s", {"version": 3}, when=version(2))
    assert table.get("p", "s") == {"version": 3}


def test_a_child_loses_nothing_when_its_parent_closes_the_file(path: Path) -> None:
    table = SqliteTable(path)
    table.put("p", "first", {})
    ours, theirs = socket.socketpair()

    def work() -> bool:
        ours.close()
        table.put("p", "before", {})
        theirs.send(b"written")
        theirs.recv(10)
        table.put("p", "after", {})
        return True

    child = in_a_fork(work)
    theirs.close()
    with ours:
        assert ours.recv(10) == b"written"
        assert table.get("p", "before") == {}
        table._connections.close()
        ours.send(b"closed")
        assert ended_well(child)
    assert [row.sk for row in SqliteTable(path).query("p").rows] == ["after", "before", "first"]


def test_forks_between_the_writes_of_other_threads_lose_nothing(path: Path) -> None:
    table = SqliteTable(path)
    stop = threading.Event()
    written = [0, 0, 0]

    def write_on(thread: int) -> None:
        while not stop.is_set():
            table.put(f"thread {thread}", f"{written[thread]:06}", {}, when=Absent())
            written[thread] += 1

    threads = [threading.Thread(target=write_on, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        children = [in_a_fork(functools.partial(put_some, table, number)) for number in range(5)]
        assert [ended_well(child) for child in children] == [True] * 5
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert [count(path, f"thread {number}") for number in range(3)] == written
    assert [count(path, f"fork {number}") for number in range(5)] == [10] * 5


def put_some(table: SqliteTable, fork: int) -> bool:
    for number in range(10):
        table.put(f"fork {fork}", str(number), {}, when=Absent())
    return True


def count(path: Path, pk: str) -> int:
    table, after, rows = SqliteTable(path), None, 0
    while True:
        page = table.query(pk, after=after, limit=1000)
        rows, after = rows + len(page.rows), page.after
        if after is None:
            return rows


@pytest.mark.parametrize(
    ("items", "waits"),
    [
        ([{"n": 1}], True),
        ([{"expires_at": 1_000 + SOON_S}], False),
        ([{"expires_at": 1_000 + SOON_S + 1}], True),
        ([{"expires_at": "1000"}], True),
        ([{"expires_at": 1_000}, {"n": 1}], True),
        ([{"expires_at": 1_000}, {"expires_at": 1_001}], False),
    ],
)
def test_only_what_is_over_soon_does_not_wait_for_the_disk(path: Path, items: list[Item], waits: bool) -> None:  # noqa: FBT001
    table = SqliteTable(path, now_s=lambda: 1_000.0)
    executed: list[str] = []
    with table._connections.one() as connection:
        connection.set_trace_callback(executed.append)

    table.transact([Put("p", str(place), item) for place, item in enumerate(items)])

    changed = [sql for sql in executed if sql.startswith("PRAGMA synchronous")]
    assert changed == ([] if waits else ["PRAGMA synchronous = NORMAL", "PRAGMA synchronous = FULL"])


def test_after_a_write_that_does_not_wait_every_other_waits_again(path: Path) -> None:
    table = SqliteTable(path, now_s=lambda: 1_000.0)
    table.put("p", "s", {"expires_at": 1_001})
    with pytest.raises(Conflict):
        table.put("p", "s", {"expires_at": 1_001}, when=Absent())

    with table._connections.one() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
