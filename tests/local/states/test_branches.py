import asyncio
from typing import Any

import pytest

from tests.local.states.conftest import Opened, Runner
from tests.local.states.machines import BrokenError, alone, chain, distributed, mapped, task

ECHO = {"echo": lambda payload: payload}
ITEMS = {"items": ["a", "b", "c"], "extra": 1}


def selecting(processor: dict[str, Any]) -> dict[str, Any]:
    selector = {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "x.$": "$.extra", "in.$": "$$.State.Name"}
    return mapped(processor, ItemSelector=selector)


def picky(payload: Any) -> Any:
    if isinstance(payload, str):
        raise BrokenError(payload)
    return payload


def test_branches_run_on_the_same_input_and_answer_in_order(run: Runner) -> None:
    branches = [
        chain(A=task("echo", ResultPath="$.a")),
        chain(B={"Type": "Pass", "Result": 2}),
        chain(C={"Type": "Succeed"}),
    ]
    ended = run(alone("Parallel", Branches=branches, Parameters={"k.$": "$.n"}), {"n": 5}, ECHO)
    assert ended.output == [{"k": 5, "a": {"k": 5}}, 2, {"k": 5}]


def test_the_result_of_a_parallel_state_is_filtered_like_any_other(run: Runner) -> None:
    branches = [chain(A={"Type": "Pass", "Result": 1}), chain(B={"Type": "Pass", "Result": 2})]
    definition = alone("Parallel", Branches=branches, ResultSelector={"b.$": "$[1]"}, ResultPath="$.out")
    assert run(definition, {"n": 5}).output == {"n": 5, "out": {"b": 2}}


def test_a_branch_that_fails_stops_the_others(opened: Opened) -> None:
    ends = []

    async def slow(_: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("stopped")

    async def scenario() -> None:
        branches = [chain(A=task("slow")), chain(B={"Type": "Fail", "Error": "E", "Cause": "why"})]
        async with opened({"slow": slow}) as engine:
            engine.register("m", alone("Parallel", Branches=branches))
            await engine.start("m", "one", {})
            ended = await engine.wait("m", "one")
            assert (ended.status, ended.error, ended.cause, ends) == ("FAILED", "E", "why", ["stopped"])

    asyncio.run(scenario())


def test_a_parallel_state_catches_what_its_branches_do_not(run: Runner) -> None:
    branches = [chain(A=task("picky")), chain(B={"Type": "Pass"})]
    catch = [{"ErrorEquals": ["BrokenError"], "ResultPath": "$.e", "Next": "Caught"}]
    parallel = {"Type": "Parallel", "Branches": branches, "InputPath": "$.text", "Catch": catch, "Next": "Done"}
    definition = chain(P=parallel, Done={"Type": "Fail"}, Caught={"Type": "Pass"})
    output = run(definition, {"text": "x"}, {"picky": picky}).output
    assert (output["text"], output["e"]["Error"]) == ("x", "BrokenError")


def test_a_map_answers_in_the_order_of_its_items(run: Runner) -> None:
    async def last_first(payload: int) -> int:
        for _ in range(20 - payload):
            await asyncio.sleep(0)
        return payload * 10

    ended = run(mapped(chain(I=task("slow"))), {"items": list(range(20))}, {"slow": last_first})
    assert ended.output == [n * 10 for n in range(20)]


@pytest.mark.parametrize("name", ["ItemSelector", "Parameters"])
def test_a_selector_sees_the_item_and_the_input_of_the_map(run: Runner, name: str) -> None:
    definition = selecting(chain(I={"Type": "Pass"}))
    state = definition["States"]["Only"]
    state[name] = state.pop("ItemSelector")
    assert run(definition, ITEMS).output == [
        {"i": 0, "v": "a", "x": 1, "in": "Only"},
        {"i": 1, "v": "b", "x": 1, "in": "Only"},
        {"i": 2, "v": "c", "x": 1, "in": "Only"},
    ]


def test_an_iterator_is_the_old_name_of_a_processor(run: Runner) -> None:
    assert run(alone("Map", Iterator=chain(I=task("echo"))), [1, 2], ECHO).output == [1, 2]


def test_no_items_give_no_outputs(run: Runner) -> None:
    assert run(mapped(chain(I=task("echo"))), {"items": []}, ECHO).output == []
    assert run(mapped(distributed(chain(I=task("echo")))), {"items": []}, ECHO).output == []


def test_a_map_over_no_array_is_a_runtime_error(run: Runner) -> None:
    assert run(mapped(chain(I=task("echo"))), {"items": {"a": 1}}, ECHO).error == "States.Runtime"


@pytest.mark.parametrize(
    ("fields", "at_once"),
    [
        ({}, 8),
        ({"MaxConcurrency": 0}, 8),
        ({"MaxConcurrency": 1}, 1),
        ({"MaxConcurrency": 3}, 3),
        ({"MaxConcurrencyPath": "$.n"}, 5),
        ({"MaxConcurrency": 1000}, 40),
    ],
)
def test_no_more_iterations_run_at_once_than_are_allowed(run: Runner, fields: dict[str, Any], at_once: int) -> None:
    now, most = 0, 0

    async def count(_: Any) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1

    processor = distributed(chain(I=task("count")))
    assert run(mapped(processor, **fields), {"items": [0] * 60, "n": 5}, {"count": count}).status == "SUCCEEDED"
    assert most == at_once


def test_a_map_stops_when_its_outputs_are_too_large_together(run: Runner) -> None:
    calls = []

    def much(payload: int) -> str:
        calls.append(payload)
        return "x" * 100_000

    ended = run(mapped(chain(I=task("much")), MaxConcurrency=1), {"items": list(range(10))}, {"much": much})
    assert (ended.error, calls) == ("States.DataLimitExceeded", [0, 1, 2])


def test_an_iteration_that_fails_fails_the_map(run: Runner) -> None:
    ended = run(mapped(chain(I=task("picky"))), {"items": [1, "bad", 3]}, {"picky": picky})
    assert (ended.status, ended.error) == ("FAILED", "BrokenError")
    told = [(event.type, event.detail["index"]) for event in run.history if event.type == "MapIterationFailed"]
    assert told == [("MapIterationFailed", 1)]


def test_an_iteration_may_catch_its_own_errors(run: Runner) -> None:
    processor = {
        "StartAt": "I",
        "States": {
            "I": task("picky", End=True, Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Parked"}]),
            "Parked": {"Type": "Pass", "Result": "parked", "End": True},
        },
    }
    assert run(mapped(processor), {"items": [1, "bad", 3]}, {"picky": picky}).output == [1, "parked", 3]


def test_an_item_is_in_the_context_of_its_iteration_and_hides_the_one_outside(run: Runner) -> None:
    inner = {"Type": "Map", "Iterator": chain(J={"Type": "Pass", "Parameters": {"v.$": "$$.Map.Item.Value"}})}
    outer = chain(N=inner, O={"Type": "Pass", "Parameters": {"in.$": "$[*].v", "out.$": "$$.Map.Item.Index"}})
    assert run(mapped(outer), {"items": [[1, 2], [3]]}).output == [{"in": [1, 2], "out": 0}, {"in": [3], "out": 1}]


def test_events_name_the_way_to_a_state(run: Runner) -> None:
    inner = {"Type": "Parallel", "Branches": [chain(A={"Type": "Pass"}), chain(B={"Type": "Pass"})]}
    run(mapped(chain(N=inner)), {"items": [1, 2]})
    entered = {event.where for event in run.history if event.type == "PassStateEntered"}
    assert entered == {"Only[0]/N[0]/A", "Only[0]/N[1]/B", "Only[1]/N[0]/A", "Only[1]/N[1]/B"}


def test_a_distributed_map_gives_every_item_an_execution_of_its_own(run: Runner) -> None:
    definition = mapped(distributed(chain(I={"Type": "Pass", "Parameters": {"c.$": "$$"}})), Label="Batch")
    first, second = (output["c"] for output in run(definition, {"items": ["a", "b"]}).output)
    start = "arn:aws:states:us-east-1:000000000000:execution:machine/Batch:"
    assert first["Execution"]["Id"] == start + first["Execution"]["Name"]
    assert first["Execution"]["Input"] == "a"
    assert first["Execution"]["Name"] != second["Execution"]["Name"]
    assert first["StateMachine"]["Name"] == "machine/Batch"
    assert "Map" not in first


def test_what_the_children_of_a_distributed_map_do_is_not_in_the_history(run: Runner) -> None:
    run(mapped(distributed(chain(I=task("echo")))), {"items": list(range(50))}, ECHO)
    assert [event.type for event in run.history] == [
        "ExecutionStarted",
        "MapStateEntered",
        "MapStateStarted",
        "MapStateSucceeded",
        "MapStateExited",
        "ExecutionSucceeded",
    ]


def test_a_child_that_never_ends_is_ended_by_its_own_history(run: Runner) -> None:
    run.limits = {"max_events": 1000}
    loop = distributed(chain(A={"Type": "Pass", "Next": "B"}, B={"Type": "Pass", "Next": "A"}))
    assert run(mapped(loop), {"items": [1]}).error == "States.ExceedToleratedFailureThreshold"
    assert "maximum number of history events" in next(
        event.detail["cause"] for event in run.history if event.type == "MapIterationFailed"
    )


BAD = ["x", 1, "y", 2, 3, 4, 5, 6, 7, 8]  # two of ten fail


@pytest.mark.parametrize(
    ("fields", "tolerated"),
    [
        ({}, False),
        ({"ToleratedFailureCount": 1}, False),
        ({"ToleratedFailureCount": 2}, True),
        ({"ToleratedFailurePercentage": 19.9}, False),
        ({"ToleratedFailurePercentage": 20}, True),
        ({"ToleratedFailureCountPath": "$.n"}, True),
        ({"ToleratedFailurePercentagePath": "$.n"}, False),
        ({"ToleratedFailureCount": 1, "ToleratedFailurePercentage": 100}, False),
        ({"ToleratedFailureCount": 9, "ToleratedFailurePercentage": 100}, True),
    ],
)
def test_a_distributed_map_tolerates_as_many_failures_as_it_says(
    run: Runner, fields: dict[str, Any], *, tolerated: bool
) -> None:
    ended = run(mapped(distributed(chain(I=task("picky"))), **fields), {"items": BAD, "n": 2}, {"picky": picky})
    if tolerated:
        assert ended.output == [1, 2, 3, 4, 5, 6, 7, 8]
        assert run.history[-3].detail == {"failed": 2}
    else:
        assert (ended.status, ended.error) == ("FAILED", "States.ExceedToleratedFailureThreshold")


def test_a_runtime_error_in_a_child_can_be_tolerated_and_its_map_be_caught(run: Runner) -> None:
    processor = distributed(chain(I={"Type": "Pass", "InputPath": "$.missing"}))
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Caught", "ResultPath": "$.e"}]
    state = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor, "Catch": catch, "Next": "Caught"}
    definition = chain(M=state, Caught={"Type": "Pass", "OutputPath": "$.e.Error"})
    assert run(definition, ITEMS).output == "States.ExceedToleratedFailureThreshold"
    tolerant = {**state, "ToleratedFailurePercentage": 100}
    assert run(chain(M=tolerant, Caught={"Type": "Pass"}), ITEMS).output == []
