from typing import Any

import pytest

from infra.local.states import Execution
from tests.local.states.conftest import Runner
from tests.local.states.machines import ARN, Time, alone, chain, mapped, task

RAW = {"title": "Numbers to add", "numbers": {"val1": 3, "val2": 4}}


def add(payload: dict[str, int]) -> int:
    return payload["val1"] + payload["val2"]


def succeeded(execution: Execution) -> Any:
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
    return execution.output


def test_a_pass_state_passes_its_input_on(run: Runner) -> None:
    assert succeeded(run(alone("Pass"), RAW)) == RAW


@pytest.mark.parametrize("payload", [None, 5, "text", [1], True])
def test_any_json_value_can_be_an_input(run: Runner, payload: Any) -> None:
    assert succeeded(run(alone("Pass", Result={"was": 1}, ResultPath=None), {"v": payload})) == {"v": payload}
    assert succeeded(run(alone("Pass", Parameters={"v.$": "$.v"}, OutputPath="$.v"), {"v": payload})) == payload


def test_a_pass_state_answers_its_result_rather_than_its_parameters(run: Runner) -> None:
    assert succeeded(run(alone("Pass", Result=[1], Parameters={"a": 1}))) == [1]


def test_a_result_goes_where_the_result_path_says_in_the_raw_input(run: Runner) -> None:
    definition = chain(Add=task("add", InputPath="$.numbers", ResultPath="$.sum"))
    assert succeeded(run(definition, RAW, {"add": add})) == {**RAW, "sum": 7}


def test_without_a_result_path_the_result_is_the_output(run: Runner) -> None:
    assert succeeded(run(chain(Add=task("add", InputPath="$.numbers")), RAW, {"add": add})) == 7


def test_a_null_result_path_discards_the_result(run: Runner) -> None:
    assert succeeded(run(chain(Add=task("add", InputPath="$.numbers", ResultPath=None)), RAW, {"add": add})) == RAW


def test_null_paths_stand_for_an_empty_object(run: Runner) -> None:
    assert succeeded(run(alone("Pass", InputPath=None), RAW)) == {}
    assert succeeded(run(alone("Pass", OutputPath=None), RAW)) == {}


def test_an_input_passes_through_all_filters_in_order(run: Runner) -> None:
    definition = chain(
        Add=task(
            "add",
            InputPath="$.numbers",
            Parameters={"val1.$": "$.val1", "val2": 10},
            ResultSelector={"total.$": "$", "name.$": "$$.State.Name"},
            ResultPath="$.out",
            OutputPath="$.out",
        )
    )
    assert succeeded(run(definition, RAW, {"add": add})) == {"total": 13, "name": "Add"}


def test_a_template_is_filled_in_at_every_depth(run: Runner) -> None:
    template = {"a": [{"b.$": "$.numbers.val1"}, "$.title", 1], "c": {"d.$": "States.Array($.title)"}, "$": "$"}
    assert succeeded(run(alone("Pass", Parameters=template), RAW)) == {
        "a": [{"b": 3}, "$.title", 1],
        "c": {"d": ["Numbers to add"]},
        "$": "$",
    }


def test_the_integration_answers_in_an_envelope(run: Runner) -> None:
    parameters = {"FunctionName": ARN + "add", "Payload.$": "$.numbers"}
    definition = alone("Task", Resource="arn:aws:states:::lambda:invoke", Parameters=parameters)
    assert succeeded(run(definition, RAW, {"add": add})) == {
        "ExecutedVersion": "$LATEST",
        "Payload": 7,
        "StatusCode": 200,
    }


def test_the_integration_takes_names_and_no_payload(run: Runner) -> None:
    seen = []
    parameters = {"FunctionName.$": "$.function"}
    definition = alone("Task", Resource="arn:aws:states:::lambda:invoke", Parameters=parameters, OutputPath="$.Payload")
    assert succeeded(run(definition, {"function": "see"}, {"see": seen.append})) is None
    assert seen == [{}]


def test_the_context_object_names_execution_machine_and_state(run: Runner) -> None:
    output = succeeded(run(alone("Pass", Parameters={"context.$": "$$"}), {"in": 1}))
    assert output["context"] == {
        "Execution": {
            "Id": "arn:aws:states:us-east-1:000000000000:execution:machine:run-1",
            "Input": {"in": 1},
            "Name": "run-1",
            "RoleArn": "arn:aws:iam::000000000000:role/local",
            "StartTime": "2026-01-01T00:00:00.000Z",
            "RedriveCount": 0,
        },
        "StateMachine": {"Id": "arn:aws:states:us-east-1:000000000000:stateMachine:machine", "Name": "machine"},
        "State": {"Name": "Only", "EnteredTime": "2026-01-01T00:00:00.000Z", "RetryCount": 0},
    }


def test_a_choice_leads_to_the_first_rule_that_holds(run: Runner) -> None:
    rules = [
        {"Variable": "$.n", "NumericGreaterThan": 10, "Next": "Big"},
        {"Variable": "$.n", "NumericGreaterThan": 5, "Next": "Medium"},
    ]
    definition = {
        "StartAt": "Which",
        "States": {
            "Which": {"Type": "Choice", "Choices": rules, "Default": "Small", "OutputPath": "$.n"},
            **{
                name: {"Type": "Pass", "Parameters": {name + ".$": "$"}, "End": True}
                for name in ("Big", "Medium", "Small")
            },
        },
    }
    assert [succeeded(run(definition, {"n": n})) for n in (11, 6, 1)] == [{"Big": 11}, {"Medium": 6}, {"Small": 1}]


def test_a_choice_that_matches_nothing_fails(run: Runner) -> None:
    definition = chain(
        Which={"Type": "Choice", "Choices": [{"Variable": "$.n", "IsNull": True, "Next": "Done"}]},
        Done={"Type": "Succeed"},
    )
    ended = run(definition, {"n": 1})
    assert (ended.status, ended.error) == ("FAILED", "States.NoChoiceMatched")


def test_a_succeed_state_ends_with_its_output(run: Runner) -> None:
    assert succeeded(run(alone("Succeed", InputPath="$.numbers", OutputPath="$.val1"), RAW)) == 3


@pytest.mark.parametrize(
    ("fields", "error", "cause"),
    [
        ({"Error": "E", "Cause": "because"}, "E", "because"),
        ({}, None, None),
        ({"ErrorPath": "$.e", "CausePath": "States.Format('of {}', $.e)"}, "Oops", "of Oops"),
        ({"ErrorPath": "$.n"}, "States.Runtime", "In the state Only: ErrorPath must lead to a string."),
    ],
)
def test_a_fail_state_says_why(run: Runner, fields: dict[str, str], error: str | None, cause: str | None) -> None:
    ended = run(alone("Fail", **fields), {"e": "Oops", "n": 1})
    assert (ended.status, ended.error, ended.cause, ended.output) == ("FAILED", error, cause, None)


@pytest.mark.parametrize(
    ("fields", "slept"),
    [
        ({"Seconds": 7}, [7]),
        ({"Seconds": 0}, []),
        ({"SecondsPath": "$.wait.s"}, [3]),
        ({"Timestamp": "2026-01-01T00:00:05Z"}, [5]),
        ({"Timestamp": "2025-01-01T00:00:05Z"}, []),
        ({"TimestampPath": "$.wait.t"}, [1.5]),
        ({"Seconds": 150}, [60, 60, 30]),
    ],
)
def test_a_wait_state_waits(run: Runner, time: Time, fields: dict[str, Any], slept: list[float]) -> None:
    given = {"wait": {"s": 3, "t": "2026-01-01T01:00:01.5+01:00"}}
    assert succeeded(run(alone("Wait", **fields), given)) == given
    assert time.slept == slept


def test_a_wait_does_not_get_longer_when_the_machine_is_suspended(run: Runner, time: Time) -> None:
    time.lost_ms = 3_600_000
    start = time.ms
    assert succeeded(run(alone("Wait", Seconds=7200))) == {}
    assert time.slept == [60, 60]
    assert time.ms - start == 7_320_000


@pytest.mark.parametrize("fields", [{"SecondsPath": "$.t"}, {"SecondsPath": "$.no"}, {"TimestampPath": "$.s"}])
def test_a_wait_for_nonsense_is_a_runtime_error(run: Runner, fields: dict[str, str]) -> None:
    assert run(alone("Wait", **fields), {"s": -1, "t": "soon"}).error == "States.Runtime"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"InputPath": "$.missing"}, "States.Runtime"),
        ({"OutputPath": "$.missing"}, "States.Runtime"),
        ({"Parameters": {"a.$": "$.missing"}}, "States.Runtime"),
        ({"Parameters": {"a.$": "States.ArrayLength($.title)"}}, "States.IntrinsicFailure"),
        ({"ResultPath": "$.title.below"}, "States.ResultPathMatchFailure"),
    ],
)
def test_a_filter_that_cannot_be_applied_fails_the_execution(run: Runner, fields: dict[str, Any], error: str) -> None:
    ended = run(alone("Pass", **fields), RAW)
    assert (ended.status, ended.error) == ("FAILED", error)
    assert ended.cause is not None
    assert ended.cause.startswith("In the state Only: ")


def test_a_history_tells_what_happened_when(run: Runner, time: Time) -> None:
    run(chain(Pause={"Type": "Wait", "Seconds": 2}, Add=task("add", InputPath="$.numbers")), RAW, {"add": add})
    start = time.ms - 2000
    assert [(event.at_ms - start, event.type, event.where) for event in run.history] == [
        (0, "ExecutionStarted", ""),
        (0, "WaitStateEntered", "Pause"),
        (2000, "WaitStateExited", "Pause"),
        (2000, "TaskStateEntered", "Add"),
        (2000, "TaskScheduled", "Add"),
        (2000, "TaskSucceeded", "Add"),
        (2000, "TaskStateExited", "Add"),
        (2000, "ExecutionSucceeded", ""),
    ]


def test_a_machine_that_never_ends_is_ended_by_its_history(run: Runner) -> None:
    run.limits = {"max_events": 1000}
    ended = run(chain(A={"Type": "Pass", "Next": "B"}, B={"Type": "Pass", "Next": "A"}))
    assert (ended.status, ended.error) == ("FAILED", "States.Runtime")
    assert "maximum number of history events (1000)" in str(ended.cause)
    assert len(run.history) == 1001


def test_an_output_of_256_kib_passes_and_a_byte_more_does_not(run: Runner) -> None:
    limit = 256 * 1024 - 2  # two quotation marks
    assert len(succeeded(run(chain(A=task("text")), {}, {"text": lambda _: "x" * limit}))) == limit
    ended = run(chain(A=task("text")), {}, {"text": lambda _: "x" * (limit + 1)})
    assert (ended.status, ended.error) == ("FAILED", "States.DataLimitExceeded")


@pytest.mark.parametrize(
    "definition",
    [
        chain(A=task("text", ResultPath=None)),
        chain(A=task("text", ResultSelector={})),
        chain(A=task("text", OutputPath=None)),
        alone("Pass", Parameters={"a.$": "$$.Execution.Input", "b.$": "$$.Execution.Input"}),
        chain(A=task("none", Parameters={"a.$": "$", "b.$": "$"})),
        mapped(chain(A={"Type": "Pass", "InputPath": "$$.Execution.Input"})),
    ],
)
def test_the_limit_holds_for_everything_between_states(run: Runner, definition: dict[str, Any]) -> None:
    functions = {"text": lambda _: "é" * 132_000, "none": lambda _: None}
    given = {"items": [1, 2], "text": "x" * 140_000}
    assert run(definition, given, functions).error == "States.DataLimitExceeded"


def test_an_answer_that_is_no_json_is_a_runtime_error(run: Runner) -> None:
    for answer in (float("nan"), {1, 2}, "\ud800"):
        assert run(chain(A=task("f")), {}, {"f": lambda _, answer=answer: answer}).error == "States.Runtime"
