"""Connections to an SQLite file that threads share and that no fork ever sees.

A pool instead of one connection per thread, because threads end without saying so. Before a fork all connections are
closed: a child with one of its own is not enough, because SQLite's record of locks is copied with the process. The
child then believes to hold a lock that only its parent holds, and when the parent closes, the log is deleted under the
child and what it writes is lost. Reproduced with SQLite 3.40; see section 2.6 of "How To Corrupt An SQLite Database".
"""

import os
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from isthmus.storage.adapters import sqlite_expiry

_SETTINGS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    """
CREATE TABLE IF NOT EXISTS item (
    pk BLOB NOT NULL, sk BLOB NOT NULL, item TEXT NOT NULL, PRIMARY KEY (pk, sk)
) STRICT, WITHOUT ROWID
""",
    sqlite_expiry.TABLE,
)
_MAX_IDLE = 16
_PAUSE_S = 0.002


class _ForkGate:
    """Counts the connections in use in this process, and holds new uses back while it forks."""

    def __init__(self) -> None:
        self._pools: weakref.WeakSet[Connections] = weakref.WeakSet()
        self.reopen()

    def add(self, pool: "Connections") -> None:
        """Close this pool before forks, too."""
        with self._changed:
            self._pools.add(pool)

    def reopen(self) -> None:
        """Start anew: in a child, where the locks are copies of what other threads held."""
        self._changed = threading.Condition()
        self._in_use = 0
        self._forks = 0

    def enter(self) -> None:
        """Wait for a fork to be over and count one use."""
        with self._changed:
            self._changed.wait_for(lambda: self._forks == 0)
            self._in_use += 1

    def leave(self) -> None:
        """Count one use less."""
        with self._changed:
            self._in_use -= 1
            self._changed.notify_all()

    def before_fork(self) -> None:
        """Wait until no connection is in use, and close all."""
        with self._changed:
            self._forks += 1
            self._changed.wait_for(lambda: self._in_use == 0)
            for pool in self._pools:
                pool.close()

    def after_fork_in_parent(self) -> None:
        """Let the others go on."""
        with self._changed:
            self._forks -= 1
            self._changed.notify_all()


_GATE = _ForkGate()


@cache
def _guard_forks() -> None:
    os.register_at_fork(
        before=_GATE.before_fork, after_in_parent=_GATE.after_fork_in_parent, after_in_child=_GATE.reopen
    )


class Connections:
    """Open connections to the file at `path`; each is used by one thread at a time."""

    def __init__(self, path: Path, patience_s: float) -> None:
        _guard_forks()
        self._path = path
        self._patience_s = patience_s
        self._idle: list[sqlite3.Connection] = []
        weakref.finalize(self, _close_all, self._idle)
        _GATE.add(self)

    @contextmanager
    def one(self) -> Iterator[sqlite3.Connection]:
        """A connection for the duration of the block; it is not used again after an error of SQLite."""
        _GATE.enter()
        try:
            with self._lent() as connection:
                yield connection
        finally:
            _GATE.leave()

    def close(self) -> None:
        """Close every idle connection; the next use opens another."""
        _close_all(self._idle)

    @contextmanager
    def _lent(self) -> Iterator[sqlite3.Connection]:
        connection, sound = self._take(), True
        try:
            yield connection
        except sqlite3.Error:
            sound = False
            raise
        finally:
            if sound and not connection.in_transaction and len(self._idle) < _MAX_IDLE:
                self._idle.append(connection)
            else:
                connection.close()

    def _take(self) -> sqlite3.Connection:
        # list.pop is atomic, asking for the length first is not.
        try:
            return self._idle.pop()
        except IndexError:
            return _connect(self._path, self._patience_s)


def _close_all(idle: list[sqlite3.Connection]) -> None:
    while idle:
        idle.pop().close()


def patiently(
    connection: sqlite3.Connection, patience_s: float, sql: str, parameters: tuple[bytes | int, ...] = ()
) -> sqlite3.Cursor:
    """Execute a statement that must wait for others.

    SQLite's own waiting sleeps ever longer, up to 0.1 s, and a busy neighbour can keep it from its turn for seconds. It
    also gives up at once when another process switches to the write-ahead log.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return connection.execute(sql, parameters)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0, _PAUSE_S))  # noqa: S311 - spreads the waiting, guards nothing


def _connect(path: Path, patience_s: float) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        # By path: opening and closing the file here would drop the locks of this process's other connections.
        path.chmod(0o600)
        for sql in _SETTINGS:
            patiently(connection, patience_s, sql)
    except (sqlite3.Error, OSError):
        connection.close()
        raise
    return connection
