"""The scheduler across restarts; time is a number that the test holds."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from infra.local.expand import Schedule
from infra.local.schedules import Run, Scheduler

START = 1_800_000_000.0


def schedule(name: str = "tick", expression: str = "rate(1 minute)") -> Schedule:
    return Schedule(name, f"arn:{name}", expression, "aws.scheduler", "function", starts_machine=False, input=None)


@dataclass
class World:
    """A clock, the runs that were started, and a gate that holds them."""

    database: Path
    now: float = START
    runs: list[Run] = field(default_factory=list)
    gate: asyncio.Event | None = None
    error: str | None = None

    async def run(self, run: Run) -> str | None:
        self.runs.append(run)
        if self.gate is not None:
            await self.gate.wait()
        return self.error

    def scheduler(self, *schedules: Schedule) -> Scheduler:
        return Scheduler(self.database, schedules or (schedule(),), self.run, now=lambda: self.now)

    def due(self) -> list[float]:
        return [run.due - START for run in self.runs]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "schedules.sqlite")


async def ticked(scheduler: Scheduler) -> float | None:
    following = scheduler.tick()
    await scheduler.idle()
    return following


def test_a_schedule_runs_when_it_is_due_and_not_before(world: World) -> None:
    async def story() -> None:
        scheduler = world.scheduler()
        assert await ticked(scheduler) == START + 60
        assert world.due() == []

        world.now += 60
        assert await ticked(scheduler) == START + 120
        assert world.due() == [60]

        await ticked(scheduler)
        assert world.due() == [60]
        await scheduler.close()

    asyncio.run(story())


def test_a_restart_neither_loses_nor_doubles_a_due_run(world: World) -> None:
    async def story() -> None:
        first = world.scheduler()
        world.now += 60
        await ticked(first)
        await first.close()

        second = world.scheduler()
        await ticked(second)
        assert world.due() == [60]

        world.now += 60
        await ticked(second)
        assert world.due() == [60, 120]
        await second.close()

    asyncio.run(story())


def test_what_was_missed_while_nothing_ran_is_caught_up_once(world: World) -> None:
    async def story() -> None:
        await world.scheduler().close()
        world.now += 3600 + 10

        scheduler = world.scheduler()
        assert await ticked(scheduler) == START + 3660
        assert world.due() == [60]
        await scheduler.close()

    asyncio.run(story())


def test_a_run_that_a_crash_interrupted_is_repeated_under_the_same_id(world: World) -> None:
    async def story() -> None:
        world.gate = asyncio.Event()
        crashed = world.scheduler()
        world.now += 60
        crashed.tick()
        await asyncio.sleep(0)
        await crashed.close()
        assert len(world.runs) == 1

        world.gate = None
        scheduler = world.scheduler()
        await ticked(scheduler)
        await ticked(scheduler)
        assert world.due() == [60, 60]
        assert world.runs[0].id == world.runs[1].id
        await scheduler.close()

    asyncio.run(story())


def test_runs_of_one_schedule_are_not_stacked(world: World) -> None:
    async def story() -> None:
        world.gate = asyncio.Event()
        scheduler = world.scheduler()
        for _ in range(3):
            world.now += 60
            scheduler.tick()
            await asyncio.sleep(0)
        assert world.due() == [60]
        assert scheduler.standings()[0].running_since == START + 60

        world.gate.set()
        await scheduler.idle()
        scheduler.tick()
        assert world.due() == [60]

        world.now += 60
        await ticked(scheduler)
        assert world.due() == [60, 240]
        await scheduler.close()

    asyncio.run(story())


def test_how_the_last_run_ended_is_remembered(world: World) -> None:
    async def story() -> None:
        scheduler = world.scheduler()
        world.error = "Unavailable"
        world.now += 60
        await ticked(scheduler)
        standing = scheduler.standings()[0]
        assert (standing.last_due, standing.last_error) == (START + 60, "Unavailable")

        world.error = None
        world.now += 60
        await ticked(scheduler)
        assert scheduler.standings()[0].last_error is None
        await scheduler.close()

    asyncio.run(story())


def test_a_changed_expression_starts_anew_and_a_removed_schedule_is_forgotten(world: World) -> None:
    async def story() -> None:
        await world.scheduler(schedule("stays"), schedule("goes")).close()
        scheduler = world.scheduler(schedule("stays", "rate(1 hour)"))
        assert [(one.name, one.next_due) for one in scheduler.standings()] == [("stays", START + 3600)]
        await scheduler.close()

    asyncio.run(story())


def test_one_time_schedules_run_once_even_when_their_time_passed_unattended(world: World) -> None:
    async def story() -> None:
        once = schedule(expression="at(2027-01-15T08:01:00)")
        await world.scheduler(once).close()
        world.now += 7200

        scheduler = world.scheduler(once)
        assert await ticked(scheduler) is None
        await ticked(scheduler)
        assert len(world.runs) == 1
        await scheduler.close()

    asyncio.run(story())
