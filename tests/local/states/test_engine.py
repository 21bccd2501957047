import asyncio
from typing import Any

import pytest

from infra.local.states.engine import KEPT_MS, MAX_RUNNING
from infra.local.states.run import MAX_EVENTS
from isthmus.failure import Invalid, Limited, NotFound, Precondition, TooLarge
from tests.local.states.conftest import Opened
from tests.local.states.machines import Gate, Time, alone, chain, task

PASS = alone("Pass")


def test_a_name_starts_one_execution_for_ever(opened: Opened) -> None:
    async def scenario() -> None:
        gate = Gate()
        async with opened({"gate": gate}) as engine:
            engine.register("m", chain(A=task("gate")))
            assert await engine.start("m", "one", {"first": True}) is True
            assert await engine.start("m", "one", {"first": False}) is False
            gate.open.set()
            await engine.wait("m", "one")
            assert await engine.start("m", "one", {}) is False
        async with opened() as engine:
            engine.register("m", PASS)
            assert await engine.start("m", "one", {}) is False
            described = engine.describe("m", "one")
            assert described is not None
            assert described.input == {"first": True}

    asyncio.run(scenario())


def test_of_many_starts_at_once_one_wins(opened: Opened) -> None:
    async def scenario() -> None:
        async with opened() as engine:
            engine.register("m", PASS)
            started = await asyncio.gather(*(engine.start("m", "one", n) for n in range(50)))
            assert started.count(True) == 1
            assert (await engine.wait("m", "one")).output == started.index(True)

    asyncio.run(scenario())


def test_the_same_name_belongs_to_each_machine(opened: Opened) -> None:
    async def scenario() -> None:
        async with opened() as engine:
            for machine in ("a", "b"):
                engine.register(machine, PASS)
                assert await engine.start(machine, "one", machine)
            assert (await engine.wait("a", "one")).output == "a"
            assert (await engine.wait("b", "one")).output == "b"

    asyncio.run(scenario())


def test_a_caller_who_goes_away_leaves_no_execution_behind_that_does_not_run(opened: Opened) -> None:
    async def scenario() -> None:
        async with opened() as engine:
            engine.register("m", PASS)
            caller = asyncio.ensure_future(engine.start("m", "one", 7))
            await asyncio.sleep(0)
            caller.cancel()
            assert (await engine.wait("m", "one")).output == 7

    asyncio.run(scenario())


def test_an_execution_is_described_from_start_to_end(opened: Opened, time: Time) -> None:
    async def scenario() -> None:
        gate = Gate()
        async with opened({"gate": gate}) as engine:
            engine.register("m", chain(A=task("gate")))
            assert engine.describe("m", "one") is None
            await engine.start("m", "one", {"a": 1})
            await gate.entered.wait()
            running = engine.describe("m", "one")
            assert running is not None
            assert (running.status, running.input, running.output, running.stopped_ms) == (
                "RUNNING",
                {"a": 1},
                None,
                None,
            )
            assert running.arn == "arn:aws:states:us-east-1:000000000000:execution:m:one"
            time.ms += 5
            gate.open.set()
            ended = await engine.wait("m", "one")
            assert (ended.status, ended.output, ended.error, ended.cause) == ("SUCCEEDED", {"a": 1}, None, None)
            assert ended.stopped_ms == ended.started_ms + 5

    asyncio.run(scenario())


def test_the_newest_executions_come_first(opened: Opened) -> None:
    async def scenario() -> None:
        async with opened() as engine:
            engine.register("m", PASS)
            engine.register("other", PASS)
            for name in ("a", "b", "c"):
                await engine.start("m", name, {})
                await engine.start("other", name, {})
            assert [one.name for one in engine.executions("m", 2)] == ["c", "b"]
            assert [one.name for one in engine.executions("m", 10**9)] == ["c", "b", "a"]
            assert engine.executions("m", -1) == []

    asyncio.run(scenario())


def test_a_stopped_execution_is_aborted_and_its_task_cancelled(opened: Opened) -> None:
    async def scenario() -> None:
        gate = Gate()
        async with opened({"gate": gate}) as engine:
            engine.register(
                "m", chain(A=task("gate", Catch=[{"ErrorEquals": ["States.ALL"], "Next": "B"}]), B=task("gate"))
            )
            await engine.start("m", "one", {})
            await gate.entered.wait()
            assert await engine.stop("m", "one", "Unwanted", "nobody needs it") is True
            ended = await engine.wait("m", "one")
            assert (ended.status, ended.error, ended.cause) == ("ABORTED", "Unwanted", "nobody needs it")
            assert gate.calls == 1
            assert engine.history("m", "one")[-1].type == "ExecutionAborted"
            assert await engine.stop("m", "one", "Again", "") is False
            assert await engine.stop("m", "two", "Unknown", "") is False

    asyncio.run(scenario())


def test_an_execution_that_waits_to_be_resumed_can_be_stopped(opened: Opened) -> None:
    async def scenario() -> None:
        gate = Gate()
        async with opened({"gate": gate}) as engine:
            engine.register("m", chain(A=task("gate")))
            await engine.start("m", "one", {})
            await gate.entered.wait()
        async with opened() as engine:
            with pytest.raises(Precondition):
                await engine.wait("m", "one")
            assert await engine.stop("m", "one", "Unwanted", "") is True
            assert (await engine.wait("m", "one")).status == "ABORTED"
            assert await engine.resume() == []

    asyncio.run(scenario())


def test_stopping_what_is_just_ending_is_honest(opened: Opened) -> None:
    async def scenario() -> None:
        async with opened() as engine:
            engine.register("m", PASS)
            for number in range(30):
                name = f"n{number}"
                await engine.start("m", name, {})
                for _ in range(number):
                    await asyncio.sleep(0)
                stopped = await engine.stop("m", name, "Late", "")
                assert (await engine.wait("m", name)).status == ("ABORTED" if stopped else "SUCCEEDED")
                ends = [
                    e.type for e in engine.history("m", name) if e.type in ("ExecutionAborted", "ExecutionSucceeded")
                ]
                assert len(ends) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ü", "x" * 81, "a\n"])
def test_names_are_what_aws_allows(opened: Opened, name: str) -> None:
    async def scenario() -> None:
        async with opened() as engine:
            engine.register("m", PASS)
            with pytest.raises(Invalid):
                await engine.start("m", name, {})
            with pytest.raises(Invalid):
                engine.register(name, PASS)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("payload", "failure"),
    [
        ("x" * 262_143, TooLarge),
        ("é" * 131_072, TooLarge),
        (float("inf"), Invalid),
        ({1, 2}, Invalid),
        ("\ud800", Invalid),
    ],
)
def test_a_payload_is_json_of_at_most_256_kib(opened: Opened, payload: Any, failure: type[Exception]) -> None:
    async def scenario() -> None:
        async with opened() as engine:
            engine.register("m", PASS)
            with pytest.raises(failure) as caught:
                await engine.start("m", "one", payload)
            assert type(caught.value) is failure
            assert engine.describe("m", "one") is None

    asyncio.run(scenario())


def test_what_there_is_not_cannot_be_started_or_awaited(opened: Opened) -> None:
    async def scenario() -> None:
        async with opened() as engine:
            with pytest.raises(NotFound):
                await engine.start("m", "one", {})
            with pytest.raises(NotFound):
                await engine.wait("m", "one")
            assert engine.history("m", "one") == []

    asyncio.run(scenario())


def test_a_thousand_executions_run_and_no_more(opened: Opened) -> None:
    async def scenario() -> None:
        gate = Gate()
        async with opened({"gate": gate}) as engine:
            engine.register("m", chain(A=task("gate")))
            assert all(await asyncio.gather(*(engine.start("m", f"n{n}", {}) for n in range(MAX_RUNNING))))
            with pytest.raises(Limited):
                await engine.start("m", "one-more", {})
            assert await engine.start("m", "n0", {}) is False
            gate.open.set()
            await engine.wait("m", "n0")
            assert await engine.start("m", "one-more", {}) is True

    asyncio.run(scenario())


def test_a_history_has_as_many_events_as_aws_keeps() -> None:
    assert MAX_EVENTS == 25_000


def test_ended_executions_are_forgotten_after_ninety_days(opened: Opened, time: Time) -> None:
    async def scenario() -> None:
        gate = Gate()
        async with opened({"gate": gate}) as engine:
            engine.register("m", PASS)
            engine.register("slow", chain(A=task("gate")))
            await engine.start("m", "old", {})
            await engine.start("slow", "old", {})
            await engine.wait("m", "old")
            time.ms += KEPT_MS
            await engine.start("m", "new", {})
            await engine.wait("m", "new")
            await engine.resume()
            assert engine.describe("m", "old") is not None
            time.ms += 1
            await engine.resume()
            assert engine.describe("m", "old") is None
            assert engine.describe("m", "new") is not None
            assert engine.describe("slow", "old") is not None
            assert await engine.start("m", "old", {}) is True
            assert [event.type for event in engine.history("m", "old")][:1] in ([], ["ExecutionStarted"])

    asyncio.run(scenario())


def test_closing_while_an_execution_is_started_keeps_it_for_later(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with opened() as engine:
            engine.register("m", PASS)
            starting = asyncio.ensure_future(engine.start("m", "one", 7))
            await asyncio.sleep(0)
        assert await starting is True
        async with opened() as engine:
            await engine.resume()
            assert (await engine.wait("m", "one")).output == 7

    asyncio.run(scenario())
    assert caplog.text == ""


def test_resuming_while_an_execution_is_started_does_not_run_it_twice(opened: Opened) -> None:
    async def scenario() -> None:
        gate = Gate()
        async with opened({"gate": gate}) as engine:
            engine.register("m", chain(A=task("gate")))
            starts = [engine.start("m", f"n{n}", {}) for n in range(20)]
            resumes = [engine.resume() for _ in range(20)]
            await asyncio.gather(*(one for pair in zip(starts, resumes, strict=True) for one in pair))
            gate.open.set()
            for n in range(20):
                await engine.wait("m", f"n{n}")
            assert gate.calls == 20

    asyncio.run(scenario())
