"""Followers: functions that new rows of a partition start, as the stream of DynamoDB does in a deployment.

SQLite says in some microseconds whether anybody has committed since the last look; only then the newest keys of each
partition are read and compared with those of the last time. Nobody who writes waits for it. Who runs is looked after
when the run has ended: what came meanwhile starts one more. A partition that has rows at the first look is news: what
came while nothing ran is not left to the schedule.

Reference: AWS Lambda Developer Guide, "Process Amazon DynamoDB records with Lambda"; sqlite.org, "PRAGMA data_version".
"""

import asyncio
import contextlib
import json
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Collection, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from infra.local.expand import Follower
from infra.local.intrinsics import REGION
from infra.local.outcome import Outcome

LOOK_EVERY_S = 0.2
RETRY_PAUSE_S = 1.0
NEWEST = 100
"""How many keys of a partition are compared: the last ones, because what is new comes last or nearly so."""

_NEWEST = "SELECT sk FROM item WHERE pk = ? ORDER BY sk DESC LIMIT ?"

Invoke = Callable[[str, bytes], Awaitable[Outcome]]


def in_turn(invoke: Invoke, functions: Collection[str]) -> Invoke:
    """The same, but of each of these functions one invocation after the other."""
    turns = {name: asyncio.Lock() for name in functions}

    async def invoke_in_turn(function: str, payload: bytes) -> Outcome:
        async with turns.get(function) or contextlib.nullcontext():
            return await invoke(function, payload)

    return invoke_in_turn


class Followers:
    """Starts followers.

    Args:
        database: the table's file; it need not be there yet.
        followers: who follows what.
        invoke: runs a function on an event.
        pause_s: before a run that failed is tried again.
    """

    def __init__(
        self, database: Path, followers: Iterable[Follower], invoke: Invoke, *, pause_s: float = RETRY_PAUSE_S
    ) -> None:
        self._database, self._invoke, self._pause_s = database, invoke, pause_s
        self._seen: dict[Follower, frozenset[bytes]] = {follower: frozenset() for follower in followers}
        self._unseen: set[Follower] = set()
        self._running: dict[Follower, asyncio.Task[None]] = {}
        self._connection: sqlite3.Connection | None = None
        self._version: int | None = None

    def look(self) -> None:
        """Start who has news and does not run; what SQLite cannot say at this moment is seen at the next look."""
        try:
            connection = self._connected() if self._seen else None
            if connection is None:  # or nobody follows, as when it is closed
                return
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            if version != self._version:
                self._version, self._unseen = version, set(self._seen)
            for follower in self._unseen - self._running.keys():
                rows = connection.execute(_NEWEST, (follower.partition.encode(), NEWEST))
                keys = frozenset(key for (key,) in rows)
                self._unseen.discard(follower)
                if fresh := keys - self._seen[follower]:
                    self._running[follower] = asyncio.get_running_loop().create_task(self._run(follower, fresh))
                self._seen[follower] = keys
        except sqlite3.Error:
            self._disconnect()

    async def serve(self) -> None:
        """Look for ever."""
        while self._seen:
            self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def idle(self) -> None:
        """Wait until every run that has started, and those that it led to, have ended."""
        while self._running:
            await asyncio.wait(self._running.values())

    async def close(self) -> None:
        """Stop; what was not done is news at the next start."""
        self._seen, self._unseen = {}, set()
        for task in list(self._running.values()):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._disconnect()

    async def _run(self, follower: Follower, keys: Iterable[bytes]) -> None:
        try:
            outcome = await self._invoke(follower.function, _event(follower, keys))
            for _ in range(follower.retries):
                if outcome.error is None:
                    break
                await asyncio.sleep(self._pause_s)
                outcome = await self._invoke(follower.function, _event(follower, keys))
            if outcome.error is not None:
                print(f"{follower.function}, which follows, failed with {outcome.error}", file=sys.stderr, flush=True)
        finally:
            del self._running[follower]
        self.look()

    def _connected(self) -> sqlite3.Connection | None:
        """A connection that only reads, as soon as there is a file."""
        if self._connection is None and self._database.exists():
            address = f"file:{quote(str(self._database))}?mode=rw"  # with mode=ro it could not join the log
            self._connection = sqlite3.connect(address, uri=True, timeout=0, isolation_level=None)
            self._connection.execute("PRAGMA query_only = ON")
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._version = None


def _event(follower: Follower, keys: Iterable[bytes]) -> bytes:
    """What Lambda gives to a function for a stream of keys, one record for each new row."""
    return json.dumps({"Records": [_record(follower, key.decode()) for key in sorted(keys)]}).encode()


def _record(follower: Follower, key: str) -> dict[str, Any]:
    return {
        "eventID": f"{follower.partition} {key}",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "dynamodb": {"Keys": {"pk": {"S": follower.partition}, "sk": {"S": key}}, "StreamViewType": "KEYS_ONLY"},
        "eventSourceARN": follower.stream,
    }
