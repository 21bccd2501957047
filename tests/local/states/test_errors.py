import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.states import Execution, TaskError
from infra.local.states.retries import delay_s
from tests.local.states.conftest import Opened, Runner
from tests.local.states.machines import BrokenError, Time, TransientError, alone, chain, mapped, task


def failing(*errors: Exception) -> Callable[[Any], int]:
    """A function that raises these, one after the other, and then answers how often it was called."""
    waiting, calls = list(errors), []

    def function(_: Any) -> int:
        calls.append(1)
        if waiting:
            raise waiting.pop(0)
        return len(calls)

    return function


async def forever(_: Any) -> None:
    await asyncio.Event().wait()


def retrier(*names: str, **fields: Any) -> dict[str, Any]:
    return {"ErrorEquals": list(names), **fields}


def catching(*names: str, **fields: Any) -> dict[str, Any]:
    """Fields of a state that catches these errors and goes to a Pass state named Caught."""
    return {"Catch": [{"ErrorEquals": list(names), "Next": "Caught", **fields}], "Next": "Done"}


def caught(state: dict[str, Any]) -> dict[str, Any]:
    return chain(A=state, Done={"Type": "Succeed"}, Caught={"Type": "Pass"})


def retries(run: Runner, state: dict[str, Any], *errors: Exception) -> Execution:
    return run(chain(A=state), {}, {"f": failing(*errors)})


def test_an_error_nobody_catches_fails_the_execution_with_lambdas_payload(run: Runner) -> None:
    ended = retries(run, task("f"), BrokenError("no such block"))
    assert (ended.status, ended.error) == ("FAILED", "BrokenError")
    assert json.loads(str(ended.cause))["errorMessage"] == "no such block"


def test_a_retry_backs_off_exponentially(run: Runner, time: Time) -> None:
    errors = [TransientError()] * 4
    ended = retries(run, task("f", Retry=[retrier("TransientError", IntervalSeconds=2, MaxAttempts=4)]), *errors)
    assert ended.output == 5
    assert time.slept == [2, 4, 8, 16]


def test_a_retry_waits_no_longer_than_its_limit(run: Runner, time: Time) -> None:
    policy = retrier("TransientError", BackoffRate=3, MaxDelaySeconds=5, MaxAttempts=4)
    retries(run, task("f", Retry=[policy]), *[TransientError()] * 4)
    assert time.slept == [1, 3, 5, 5]


@pytest.mark.parametrize(("policy", "delay"), [({"MaxDelaySeconds": 5}, 5), ({}, 31_622_400), ({"BackoffRate": 1}, 1)])
def test_no_number_of_retries_is_too_large_to_count(policy: dict[str, Any], delay: float) -> None:
    assert delay_s(policy, 100_000) == delay


def test_a_retry_with_full_jitter_waits_up_to_its_delay(run: Runner, time: Time) -> None:
    policy = retrier("TransientError", IntervalSeconds=10, BackoffRate=1, MaxAttempts=20, JitterStrategy="FULL")
    retries(run, task("f", Retry=[policy]), *[TransientError()] * 20)
    assert all(0 <= slept <= 10 for slept in time.slept)
    assert len(set(time.slept)) > 10


def test_a_retry_is_made_three_times_unless_it_says_otherwise(run: Runner, time: Time) -> None:
    ended = retries(run, task("f", Retry=[retrier("TransientError")]), *[TransientError()] * 4)
    assert (ended.status, ended.error) == ("FAILED", "TransientError")
    assert time.slept == [1, 2, 4]


def test_no_attempts_means_no_retry(run: Runner, time: Time) -> None:
    policies = [retrier("TransientError", MaxAttempts=0), retrier("States.ALL")]
    assert retries(run, task("f", Retry=policies), TransientError()).error == "TransientError"
    assert time.slept == []


def test_every_retrier_counts_its_own_attempts(run: Runner, time: Time) -> None:
    """The example of the specification: A, B, C and B again, with two retries for A and B."""
    policies = [
        retrier("TransientError", "OSError", IntervalSeconds=1, MaxAttempts=2),
        retrier("BrokenError", IntervalSeconds=5),
    ]
    state = task("f", Retry=policies, **catching("States.ALL", ResultPath="$.e"))
    errors = [TransientError(), TransientError(), BrokenError(), TransientError("last")]
    ended = run(caught(state), {}, {"f": failing(*errors)})
    assert ended.output["e"]["Error"] == "TransientError"
    assert time.slept == [1, 2, 5]


def test_the_context_object_counts_retries_and_parameters_see_it(run: Runner) -> None:
    seen = []

    def see(payload: Any) -> None:
        seen.append(payload["n"])
        if len(seen) < 3:
            raise TransientError

    run(chain(A=task("f", Parameters={"n.$": "$$.State.RetryCount"}, Retry=[retrier("States.ALL")])), {}, {"f": see})
    assert seen == [0, 1, 2]


def test_a_catcher_gets_error_and_cause_where_its_result_path_says(run: Runner) -> None:
    state = task("f", InputPath="$.below", **catching("BrokenError", ResultPath="$.error"))
    output = run(caught(state), {"below": {}}, {"f": failing(BrokenError("why"))}).output
    assert output["below"] == {}
    assert output["error"]["Error"] == "BrokenError"
    assert json.loads(output["error"]["Cause"]) == {
        "errorMessage": "why",
        "errorType": "BrokenError",
        "requestId": "r",
        "stackTrace": [],
    }


def test_without_a_result_path_a_catcher_gets_the_error_alone(run: Runner) -> None:
    output = run(caught(task("f", **catching("States.ALL"))), {"a": 1}, {"f": failing(BrokenError())}).output
    assert set(output) == {"Error", "Cause"}


def test_a_null_result_path_of_a_catcher_keeps_the_input(run: Runner) -> None:
    state = task("f", **catching("States.ALL", ResultPath=None))
    assert run(caught(state), {"a": 1}, {"f": failing(BrokenError())}).output == {"a": 1}


def test_the_first_catcher_that_matches_is_taken(run: Runner) -> None:
    catchers = [
        {"ErrorEquals": ["OSError"], "Next": "Other"},
        {"ErrorEquals": ["BrokenError"], "Next": "Done", "ResultPath": None},
        {"ErrorEquals": ["States.ALL"], "Next": "Other"},
    ]
    definition = chain(A=task("f", Catch=catchers, Next="Done"), Done={"Type": "Succeed"}, Other={"Type": "Fail"})
    assert run(definition, {"a": 1}, {"f": failing(BrokenError())}).status == "SUCCEEDED"


FAILURES: dict[str, dict[str, Any]] = {
    "BrokenError": task("f"),
    "States.Timeout": task("forever", TimeoutSeconds=5),
    "States.IntrinsicFailure": task("ok", Parameters={"a.$": "States.MathAdd('1', 1)"}),
    "States.ResultPathMatchFailure": task("ok", ResultPath="$.a.b"),
    "States.DataLimitExceeded": task("much"),
    "States.Runtime": task("ok", Parameters={"a.$": "$.missing"}),
}


@pytest.mark.parametrize(
    ("name", "matched"),
    [
        ("States.ALL", {"BrokenError", "States.Timeout", "States.IntrinsicFailure", "States.ResultPathMatchFailure"}),
        ("States.TaskFailed", {"BrokenError", "States.IntrinsicFailure", "States.ResultPathMatchFailure"}),
        ("States.Timeout", {"States.Timeout"}),
        ("States.DataLimitExceeded", {"States.DataLimitExceeded"}),
        ("States.Runtime", set()),
        ("BrokenError", {"BrokenError"}),
    ],
)
@pytest.mark.parametrize("error", FAILURES)
def test_a_name_in_a_catcher_matches_what_aws_says(run: Runner, name: str, matched: set[str], error: str) -> None:
    functions = {
        "f": failing(BrokenError()),
        "ok": lambda _: 1,
        "much": lambda _: "x" * 300_000,
        "forever": forever,
    }
    ended = run(caught({**FAILURES[error], **catching(name, ResultPath="$.e")}), {"a": 1}, functions)
    if error in matched:
        assert ended.output["e"]["Error"] == error
    else:
        assert (ended.status, ended.error) == ("FAILED", error)


def test_a_task_that_takes_too_long_times_out_and_is_cancelled(opened: Opened, time: Time) -> None:
    ends = []

    async def slow(_: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("cancelled")

    async def scenario() -> None:
        async with opened({"slow": slow}) as engine:
            engine.register("m", chain(A=task("slow", TimeoutSecondsPath="$.t")))
            await engine.start("m", "one", {"t": 9})
            ended = await engine.wait("m", "one")
            assert (ended.status, ended.error, ends) == ("FAILED", "States.Timeout", ["cancelled"])

    asyncio.run(scenario())
    assert time.slept == [9]


def test_a_task_that_is_quick_enough_does_not_time_out(run: Runner, time: Time) -> None:
    time.endless = {9}
    assert run(chain(A=task("f", TimeoutSeconds=9)), {}, {"f": lambda _: "quick"}).output == "quick"


def test_every_attempt_has_the_whole_timeout(run: Runner, time: Time) -> None:
    state = task("forever", TimeoutSeconds=9, Retry=[retrier("States.Timeout", MaxAttempts=2)])
    assert run(chain(A=state), {}, {"forever": forever}).error == "States.Timeout"
    assert time.slept == [9, 1, 9, 2, 9]


@pytest.mark.parametrize("t", [0, -1, 1.5, "9", True, None])
def test_a_timeout_that_is_no_positive_integer_is_a_runtime_error(run: Runner, t: Any) -> None:
    assert run(chain(A=task("f", TimeoutSecondsPath="$.t")), {"t": t}, {"f": lambda _: 1}).error == "States.Runtime"


def test_a_machine_that_takes_too_long_is_timed_out_whatever_it_catches(run: Runner, time: Time) -> None:
    definition = {**caught(task("forever", **catching("States.ALL"))), "TimeoutSeconds": 30}
    ended = run(definition, {}, {"forever": forever})
    assert (ended.status, ended.error, ended.output) == ("TIMED_OUT", None, None)
    assert ended.stopped_ms == ended.started_ms + 30_000
    assert run.history[-1].type == "ExecutionTimedOut"


def test_a_defect_of_the_runtime_fails_the_execution_and_cannot_be_caught(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    ended = run(caught(task("f", **catching("States.ALL"))), {}, {"f": failing(ZeroDivisionError())})
    assert (ended.status, ended.error) == ("FAILED", "States.Runtime")
    assert ended.cause == "The runtime met ZeroDivisionError."
    assert "a defect of the runtime" in caplog.text


def test_a_call_that_is_cancelled_from_elsewhere_fails_the_execution(run: Runner) -> None:
    async def cancelled(_: Any) -> None:
        raise asyncio.CancelledError

    ended = run(chain(A=task("f")), {}, {"f": cancelled})
    assert (ended.status, ended.error, ended.cause) == ("FAILED", "States.Runtime", "The runtime met CancelledError.")


def test_a_history_tells_failures_and_retries(run: Runner) -> None:
    retries(run, task("f", Retry=[retrier("States.ALL", IntervalSeconds=3)]), TransientError("busy"))
    told = [(event.type, event.detail) for event in run.history[3:5]]
    assert told[0][0] == "TaskFailed"
    assert told[0][1]["error"] == "TransientError"
    assert told[1] == ("TaskRetryScheduled", {"attempt": 1, "delay_s": 3})


def test_an_execution_keeps_as_much_of_its_cause_as_aws_does(run: Runner) -> None:
    definition = alone("Fail", ErrorPath="$.text", CausePath="$.text")
    ended = run(definition, {"text": "x" * 40_000})
    assert (len(str(ended.error)), len(str(ended.cause))) == (256, 32_768)


def test_a_cause_that_cannot_be_printed_is_kept_without_what_cannot(run: Runner) -> None:
    def odd(_: Any) -> None:
        raise TaskError("Odd\ud800", "\ud800\x00")

    ended = run(chain(A=task("f")), {}, {"f": odd})
    assert (ended.error, ended.cause) == ("Odd?", "?\x00")


def test_a_long_cause_is_kept_whole_for_catchers_and_cut_in_the_history(run: Runner) -> None:
    output = run(caught(task("f", **catching("States.ALL"))), {}, {"f": failing(BrokenError("x" * 5000))}).output
    assert len(output["Cause"]) > 5000
    assert [len(event.detail["cause"]) for event in run.history if event.type == "TaskFailed"] == [2048]


def test_parallel_and_map_retry_as_a_whole(run: Runner, time: Time) -> None:
    calls: list[str] = []

    def count(payload: Any) -> int:
        calls.append(payload)
        if payload == "b" and calls.count("b") < 3:
            raise TransientError
        return calls.count(payload)

    retry = [retrier("TransientError", BackoffRate=1)]
    branches = [chain(**{f"S{name}": task("f", Parameters={"n": name}, InputPath="$")}) for name in "ab"]
    parallel = alone("Parallel", Branches=branches, Retry=retry)
    assert run(parallel, {}, {"f": lambda payload: count(payload["n"])}).output == [3, 3]
    calls.clear()
    definition = mapped(chain(I=task("f")), MaxConcurrency=1, Retry=retry)
    assert run(definition, {"items": ["a", "b"]}, {"f": count}).output == [3, 3]
    assert time.slept == [1, 1, 1, 1]
