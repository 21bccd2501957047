import asyncio
import json
from typing import Any

import pytest

from infra.local.states import Execution
from tests.local.states.conftest import Opened
from tests.local.states.machines import Functions, Time, TransientError, alone, chain, distributed, mapped, task


class Power:
    """Functions that note their calls; once, when one of them is called for the n-th time, the power fails."""

    def __init__(self, **fails_at: int) -> None:
        self.calls: list[Any] = []
        self.failed = asyncio.Event()
        self._fails_at = fails_at

    def function(self, name: str) -> Any:
        async def call(payload: Any) -> Any:
            self.calls.append((name, payload))
            if len([1 for called, _ in self.calls if called == name]) == self._fails_at.get(name):
                self.failed.set()
                await asyncio.Event().wait()
            return payload

        return call

    def count(self, name: str) -> int:
        return len([1 for called, _ in self.calls if called == name])


async def interrupted(
    opened: Opened, definition: dict[str, Any], payload: Any, power: Power, functions: Functions
) -> Execution:
    """Start an execution, close the engine when the power fails, open another one, resume and wait."""
    async with opened(functions) as engine:
        engine.register("m", definition)
        await engine.start("m", "one", payload)
        await power.failed.wait()
    async with opened(functions) as engine:
        assert await engine.resume() == ["arn:aws:states:us-east-1:000000000000:execution:m:one"]
        return await engine.wait("m", "one")


def test_what_is_finished_is_not_run_again(opened: Opened) -> None:
    async def scenario() -> None:
        power = Power(c=1)
        functions = {name: power.function(name) for name in "abc"}
        definition = chain(A=task("a"), B=task("b"), C=task("c"))
        assert (await interrupted(opened, definition, 7, power, functions)).output == 7
        assert power.calls == [("a", 7), ("b", 7), ("c", 7), ("c", 7)]

    asyncio.run(scenario())


def test_what_was_random_stays_as_it_was(opened: Opened) -> None:
    async def scenario() -> None:
        power = Power(f=1)
        definition = chain(A={"Type": "Pass", "Parameters": {"id.$": "States.UUID()"}}, B=task("f"))
        await interrupted(opened, definition, {}, power, {"f": power.function("f")})
        (_, first), (_, second) = power.calls
        assert first == second

    asyncio.run(scenario())


@pytest.mark.parametrize("mode", ["INLINE", "DISTRIBUTED"])
def test_iterations_are_remembered_one_by_one(opened: Opened, mode: str) -> None:
    async def scenario() -> None:
        power = Power(second=10)
        functions = {name: power.function(name) for name in ("first", "second")}
        processor = {
            "ProcessorConfig": {"Mode": mode, "ExecutionType": "STANDARD"},
            **chain(A=task("first"), B=task("second")),
        }
        ended = await interrupted(
            opened, mapped(processor, MaxConcurrency=3), {"items": list(range(20))}, power, functions
        )
        assert ended.output == list(range(20))
        assert 20 <= power.count("first") <= 22
        assert 21 <= power.count("second") <= 23

    asyncio.run(scenario())


def test_branches_are_remembered_one_by_one(opened: Opened) -> None:
    async def scenario() -> None:
        power = Power(c=1)
        functions = {name: power.function(name) for name in "abc"}
        slow = chain(W={"Type": "Wait", "Seconds": 1}, V={"Type": "Pass"}, C=task("c"))
        definition = alone("Parallel", Branches=[chain(A=task("a"), B=task("b")), slow])
        assert (await interrupted(opened, definition, 7, power, functions)).output == [7, 7]
        assert (power.count("a"), power.count("c")) == (1, 2)

    asyncio.run(scenario())


def test_a_retry_of_a_parallel_state_does_not_take_the_failed_attempt_for_finished(opened: Opened, time: Time) -> None:
    async def scenario() -> None:
        time.endless = {5}
        calls: list[str] = []

        def flaky(payload: Any) -> Any:
            calls.append("flaky")
            if calls.count("flaky") == 1:
                raise TransientError
            return payload

        def early(payload: Any) -> Any:
            calls.append("early")
            return payload

        branches = [chain(A=task("early")), chain(W={"Type": "Wait", "Seconds": 1}, B=task("flaky"))]
        retry = [{"ErrorEquals": ["TransientError"], "IntervalSeconds": 5}]
        async with opened({"early": early, "flaky": flaky}) as engine:
            engine.register("m", alone("Parallel", Branches=branches, Retry=retry))
            await engine.start("m", "one", 7)
            await time.asked_for(5)
        time.endless.clear()
        async with opened({"early": early, "flaky": flaky}) as engine:
            await engine.resume()
            assert (await engine.wait("m", "one")).output == [7, 7]
        assert calls == ["early", "flaky", "early", "flaky"]

    asyncio.run(scenario())


def test_tolerated_failures_are_remembered(opened: Opened) -> None:
    async def scenario() -> None:
        power = Power(late=1)
        calls: list[int] = []

        def picky(payload: int) -> int:
            calls.append(payload)
            if payload < 3:
                raise TransientError
            return payload

        definition = mapped(
            distributed(chain(A=task("picky"), B=task("late"))), MaxConcurrency=1, ToleratedFailureCount=3
        )
        functions = {"picky": picky, "late": power.function("late")}
        ended = await interrupted(opened, definition, {"items": [0, 1, 2, 3, 4]}, power, functions)
        assert ended.output == [3, 4]
        assert calls == [0, 1, 2, 3, 4]

    asyncio.run(scenario())


def test_a_wait_keeps_its_end(opened: Opened, time: Time) -> None:
    async def scenario() -> None:
        time.endless = {30, 20}
        definition = chain(W={"Type": "Wait", "Seconds": 30}, A={"Type": "Pass"})
        async with opened() as engine:
            engine.register("m", definition)
            await engine.start("m", "one", {})
            await time.asked_for(30)
        time.ms += 10_000
        async with opened() as engine:
            await engine.resume()
            await time.asked_for(20)
        time.ms += 25_000
        async with opened() as engine:
            await engine.resume()
            assert (await engine.wait("m", "one")).status == "SUCCEEDED"
        assert time.slept == [30, 20]

    asyncio.run(scenario())


def test_retries_are_counted_across_a_restart_and_their_pause_goes_on(opened: Opened, time: Time) -> None:
    async def scenario() -> None:
        time.endless = {4}
        calls: list[int] = []

        def failing(payload: dict[str, int]) -> None:
            calls.append(payload["n"])
            raise TransientError

        retry = [{"ErrorEquals": ["TransientError"], "IntervalSeconds": 2, "MaxAttempts": 3}]
        definition = chain(A=task("f", Parameters={"n.$": "$$.State.RetryCount"}, Retry=retry))
        async with opened({"f": failing}) as engine:
            engine.register("m", definition)
            await engine.start("m", "one", {})
            await time.asked_for(4)
        time.ms += 1000
        async with opened({"f": failing}) as engine:
            await engine.resume()
            assert (await engine.wait("m", "one")).error == "TransientError"
        assert time.slept == [2, 4, 3, 8]
        assert calls == [0, 1, 2, 3]

    asyncio.run(scenario())


def test_the_time_of_a_machine_is_counted_from_its_start(opened: Opened, time: Time) -> None:
    async def scenario() -> None:
        time.endless = {50, 60}
        async with opened() as engine:
            engine.register("m", {**alone("Wait", Seconds=1000), "TimeoutSeconds": 50})
            await engine.start("m", "one", {})
            await time.asked_for(60)
        time.ms += 30_000
        time.endless = {60}
        async with opened() as engine:
            await engine.resume()
            ended = await engine.wait("m", "one")
            assert (ended.status, ended.stopped_ms) == ("TIMED_OUT", ended.started_ms + 50_000)

    asyncio.run(scenario())


def test_the_events_of_a_child_are_counted_across_a_restart(opened: Opened) -> None:
    async def scenario() -> None:
        power = Power(f=8)
        functions = {"f": power.function("f")}
        loop = distributed(chain(A={"Type": "Pass"}, B=task("f", Next="A")))
        async with opened(functions, max_events=60) as engine:
            engine.register("m", mapped(loop))
            await engine.start("m", "one", {"items": [1]})
            await power.failed.wait()
        async with opened(functions, max_events=60) as engine:
            await engine.resume()
            assert (await engine.wait("m", "one")).error == "States.ExceedToleratedFailureThreshold"
        assert power.count("f") < 15  # ten turns without a restart, eight and ten if nothing were counted

    asyncio.run(scenario())


def test_an_execution_keeps_the_definition_it_was_started_with(opened: Opened) -> None:
    async def scenario() -> None:
        power = Power(f=1)
        functions = {"f": power.function("f")}
        async with opened(functions) as engine:
            engine.register("m", chain(A=task("f"), B={"Type": "Pass", "Result": "old"}))
            await engine.start("m", "one", {})
            await power.failed.wait()
        async with opened(functions) as engine:
            engine.register("m", chain(A=task("f"), B={"Type": "Pass", "Result": "new"}))
            await engine.resume()
            await engine.start("m", "two", {})
            assert (await engine.wait("m", "one")).output == "old"
            assert (await engine.wait("m", "two")).output == "new"

    asyncio.run(scenario())


def test_a_child_keeps_its_execution_id(opened: Opened) -> None:
    async def scenario() -> None:
        power = Power(f=1)
        processor = distributed(chain(A=task("f", Parameters={"id.$": "$$.Execution.Id"})))
        await interrupted(opened, mapped(processor), {"items": [1]}, power, {"f": power.function("f")})
        (_, first), (_, second) = power.calls
        assert first == second

    asyncio.run(scenario())


def test_resuming_twice_runs_nothing_twice(opened: Opened) -> None:
    async def scenario() -> None:
        power = Power(f=1)
        functions = {"f": power.function("f")}
        async with opened(functions) as engine:
            engine.register("m", chain(A=task("f")))
            await engine.start("m", "one", {})
            await power.failed.wait()
            assert await engine.resume() == []
        async with opened(functions) as engine:
            assert len(await engine.resume()) == 1
            assert await engine.resume() == []
            await engine.wait("m", "one")
        assert power.count("f") == 2

    asyncio.run(scenario())


def test_a_history_goes_on_after_a_restart(opened: Opened) -> None:
    async def scenario() -> None:
        power = Power(f=1)
        await interrupted(opened, chain(A={"Type": "Pass"}, B=task("f")), {}, power, {"f": power.function("f")})
        async with opened() as engine:
            assert [event.type for event in engine.history("m", "one")] == [
                "ExecutionStarted",
                "PassStateEntered",
                "PassStateExited",
                "TaskStateEntered",
                "TaskScheduled",
                "ExecutionResumed",
                "TaskStateEntered",
                "TaskScheduled",
                "TaskSucceeded",
                "TaskStateExited",
                "ExecutionSucceeded",
            ]

    asyncio.run(scenario())


def test_loops_are_remembered_turn_by_turn(opened: Opened) -> None:
    async def scenario() -> None:
        power = Power(f=5)
        again = {"Variable": "$.n", "NumericLessThan": 7, "Next": "A"}
        definition = chain(
            A=task("f", ResultPath=None),
            B={"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}},
            C={"Type": "Choice", "Choices": [again], "Default": "D"},
            D={"Type": "Succeed"},
        )
        assert (await interrupted(opened, definition, {"n": 0}, power, {"f": power.function("f")})).output == {"n": 7}
        assert [payload["n"] for _, payload in power.calls] == [0, 1, 2, 3, 4, 4, 5, 6]

    asyncio.run(scenario())


def test_outputs_come_back_from_the_journal_as_they_were(opened: Opened) -> None:
    async def scenario() -> None:
        power = Power(f=1)
        payload = {"big": 2**70, "float": 0.1, "text": 'Grüße "\\\u0000\u2028', "none": None, "list": [True, {}]}
        ended = await interrupted(
            opened, chain(A={"Type": "Pass"}, B=task("f")), payload, power, {"f": power.function("f")}
        )
        assert json.dumps(ended.output) == json.dumps(payload)

    asyncio.run(scenario())
