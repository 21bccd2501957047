"""Who follows a partition, on a real table file; looks are taken by the test, and runs wait for it."""

import asyncio
import json
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.local import outcome
from infra.local.expand import Follower
from infra.local.followers import NEWEST, Followers, in_turn
from infra.local.outcome import Outcome
from isthmus.request import Channel, channel_of
from isthmus.storage.adapters.sqlite import SqliteTable
from isthmus.storage.table import Delete, Put

STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/local"
SWEEP = Follower("Sweep", STREAM, "house/dust", retries=2)
RING = Follower("Ring", STREAM, "house/bell", retries=2)


@dataclass
class World:
    """A table, the runs that were started, how many of them fail, and a gate that holds them."""

    path: Path
    runs: list[tuple[str, Any]] = field(default_factory=list)
    fails: int = 0
    gate: asyncio.Event | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    most_at_once: int = 0
    at_once: int = 0

    def __post_init__(self) -> None:
        self.table = SqliteTable(self.path)

    def followers(self, *which: Follower) -> Followers:
        return Followers(self.path, which or (SWEEP, RING), self.invoke, pause_s=0.0)

    async def invoke(self, function: str, payload: bytes) -> Outcome:
        self.runs.append((function, json.loads(payload)))
        self.started.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.at_once -= 1
        self.fails -= 1
        return outcome.exited("r", -9) if self.fails >= 0 else outcome.succeeded(b"{}")

    def told(self) -> list[tuple[str, list[str]]]:
        """Which function was told which keys."""
        return [(name, [one["dynamodb"]["Keys"]["sk"]["S"] for one in event["Records"]]) for name, event in self.runs]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "table.sqlite")


async def looked(followers: Followers) -> None:
    followers.look()
    await followers.idle()


def test_a_new_row_starts_who_follows_its_partition_and_nobody_else(world: World) -> None:
    async def story() -> None:
        world.table.put("house/else", "1", {})
        followers = world.followers()
        await looked(followers)
        assert world.runs == []

        world.table.put("house/dust", "1", {"secret": "x"})
        world.table.put("house/dust", "2", {})
        await looked(followers)
        assert world.told() == [("Sweep", ["1", "2"])]
        ((_, event),) = world.runs
        assert channel_of(event) is Channel.STREAM
        assert event["Records"][0]["eventSourceARN"] == STREAM
        assert "secret" not in json.dumps(event)
        await followers.close()

    asyncio.run(story())


def test_nobody_is_started_when_nothing_is_new(world: World) -> None:
    async def story() -> None:
        world.table.put("house/dust", "1", {})
        followers = world.followers()
        await looked(followers)
        await looked(followers)
        world.table.put("house/dust", "1", {"changed": 1})
        await looked(followers)
        world.table.delete("house/dust", "1")
        await looked(followers)
        assert len(world.runs) == 1

        world.table.put("house/dust", "1", {})
        await looked(followers)
        assert len(world.runs) == 2, "it was inserted again"
        await followers.close()

    asyncio.run(story())


def test_what_comes_while_one_runs_starts_one_more_run_and_never_a_second_at_the_same_time(world: World) -> None:
    async def story() -> None:
        world.gate = asyncio.Event()
        followers = world.followers()
        for number in range(5):
            world.table.put("house/dust", str(number), {})
            followers.look()
            await asyncio.sleep(0)
        assert world.told() == [("Sweep", ["0"])]

        world.gate.set()
        await followers.idle()
        assert world.told()[1:] == [("Sweep", ["1", "2", "3", "4"])]
        assert world.most_at_once == 1
        await followers.close()

    asyncio.run(story())


def test_what_a_run_writes_for_another_follower_is_seen_as_soon_as_it_has_ended(world: World) -> None:
    class Moving(World):
        async def invoke(self, function: str, payload: bytes) -> Outcome:
            if function == "Sweep":
                self.table.transact([Delete("house/dust", "1"), Put("house/bell", "1", {})])
            return await super().invoke(function, payload)

    async def story() -> None:
        moving = Moving(world.path)
        followers = moving.followers()
        moving.table.put("house/dust", "1", {})
        await looked(followers)
        assert moving.told() == [("Sweep", ["1"]), ("Ring", ["1"])]
        await followers.close()

    asyncio.run(story())


def test_a_run_that_dies_is_repeated_and_at_last_left_to_the_schedule(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    async def story() -> None:
        world.fails = 2
        followers = world.followers()
        world.table.put("house/dust", "1", {})
        await looked(followers)
        assert len(world.runs) == 3
        assert capsys.readouterr().err == ""

        world.fails = 100
        world.table.put("house/dust", "2", {})
        await looked(followers)
        await looked(followers)
        assert len(world.runs) == 6
        assert "Sweep" in capsys.readouterr().err

        world.fails = 0
        world.table.put("house/dust", "3", {})
        await looked(followers)
        assert world.told()[6:] == [("Sweep", ["3"])]
        await followers.close()

    asyncio.run(story())


def test_what_came_while_nothing_ran_is_news_at_the_next_start(world: World) -> None:
    async def story() -> None:
        world.gate = asyncio.Event()
        first = world.followers()
        world.table.put("house/dust", "1", {})
        first.look()
        await asyncio.sleep(0)
        await first.close()
        first.look()

        world.gate = None
        second = world.followers()
        await looked(second)
        assert world.told() == [("Sweep", ["1"])] * 2
        await second.close()

    asyncio.run(story())


def test_more_rows_than_are_compared_are_news_too(world: World) -> None:
    async def story() -> None:
        followers = world.followers()
        for start in (0, 3 * NEWEST):
            for number in range(start, start + 2 * NEWEST):
                world.table.put("house/dust", f"{number:04d}", {})
            await looked(followers)
        assert [len(keys) for _, keys in world.told()] == [NEWEST, NEWEST]
        await followers.close()

    asyncio.run(story())


def test_a_table_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path / "later" / "table.sqlite")
        followers = world.followers()
        await looked(followers)

        world.path.parent.mkdir()
        sqlite3.connect(world.path).close()  # as between the file and what is in it
        await looked(followers)
        world.table.put("house/dust", "1", {})
        await looked(followers)
        assert world.told() == [("Sweep", ["1"])]
        await followers.close()

    asyncio.run(story())


def test_a_file_that_cannot_be_read_is_looked_at_again(world: World) -> None:
    async def story() -> None:
        world.path.write_bytes(b"no database at all, but long enough to be read as the header of one" * 10)
        followers = world.followers()
        await looked(followers)
        world.path.unlink()

        world.table.put("house/dust", "1", {})
        await looked(followers)
        assert world.told() == [("Sweep", ["1"])]
        await followers.close()

    asyncio.run(story())


def test_serving_looks_again_and_again(world: World) -> None:
    async def story() -> None:
        followers = world.followers()
        serving = asyncio.create_task(followers.serve())
        for key in ("1", "2"):
            world.started.clear()
            world.table.put("house/dust", key, {})
            await asyncio.wait_for(world.started.wait(), 60)
        serving.cancel()
        await followers.close()
        assert world.told() == [("Sweep", ["1"]), ("Sweep", ["2"])]

    asyncio.run(story())


def test_whoever_starts_a_follower_waits_for_its_turn(world: World) -> None:
    async def story() -> None:
        world.gate = asyncio.Event()
        invoke = in_turn(world.invoke, {"Sweep"})
        waiting = [asyncio.create_task(invoke(name, b"{}")) for name in ("Sweep", "Sweep", "Other", "Other")]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sorted(name for name, _ in world.runs) == ["Other", "Other", "Sweep"]
        world.gate.set()
        await asyncio.gather(*waiting)
        assert sorted(name for name, _ in world.runs) == ["Other", "Other", "Sweep", "Sweep"]

    asyncio.run(story())
