import copy
import json
from pathlib import Path
from typing import Any

import pytest

from infra.local.states.definition import check
from isthmus.failure import Invalid
from tests.local.states.machines import ARN, alone, chain, distributed, mapped, task

PASS = {"Type": "Pass", "End": True}


def faults(definition: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        check("machine", definition)
    return {error.pointer: error.message for error in caught.value.errors}


def test_what_is_accepted_comes_back_as_json() -> None:
    definition = chain(A=task("f"), B={"Type": "Pass"})
    assert json.loads(check("machine", definition)) == definition


def test_the_definitions_of_this_repository_are_accepted() -> None:
    files = list((Path(__file__).parents[3] / "infra" / "statemachines").glob("*.asl.json"))
    assert files
    for file in files:
        text = file.read_text()
        for name in {part.split("}")[0] for part in text.split("${")[1:]}:
            text = text.replace("${" + name + "}", ARN + name)
        check(file.stem, json.loads(text))


def test_every_field_that_is_supported_is_accepted() -> None:
    retry = {
        "ErrorEquals": ["A", "States.Timeout"],
        "IntervalSeconds": 1,
        "MaxAttempts": 0,
        "BackoffRate": 1.5,
        "MaxDelaySeconds": 9,
        "JitterStrategy": "FULL",
        "Comment": "c",
    }
    calls = {
        "InputPath": None,
        "OutputPath": "$$.Execution",
        "ResultPath": None,
        "ResultSelector": {"a.$": "States.UUID()", "b": [{"c.$": "$$.State.Name"}]},
        "Retry": [retry, {"ErrorEquals": ["States.ALL"]}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "Z", "Comment": "c"}],
    }
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
        "StartAt": "I",
        "States": {"I": PASS},
        "Comment": "c",
    }
    definition = chain(
        A=task("f:live", TimeoutSeconds=1, Parameters={}, **calls),
        B={"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName.$": "$.f"}},
        M={
            "Type": "Map",
            "ItemsPath": "$.i",
            "ItemSelector": {},
            "MaxConcurrencyPath": "$.n",
            "ToleratedFailureCount": 1,
            "ToleratedFailurePercentagePath": "$.p",
            "Label": "L",
            "ItemProcessor": processor,
            **calls,
        },
        P={
            "Type": "Parallel",
            "Branches": [{"StartAt": "X", "States": {"X": PASS}, "QueryLanguage": "JSONPath"}],
            **calls,
        },
        C={"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": True, "Next": "W", "Comment": "c"}]},
        W={"Type": "Wait", "TimestampPath": "$.t", "Comment": "c", "QueryLanguage": "JSONPath"},
        Z={"Type": "Fail", "ErrorPath": "States.Format('{}', $.e)", "Cause": "c"},
    )
    check("machine", {**definition, "Version": "1.0", "TimeoutSeconds": 5, "QueryLanguage": "JSONPath", "Comment": "c"})


@pytest.mark.parametrize(
    ("state", "pointer", "message"),
    [
        ({**task("f"), "HeartbeatSeconds": 5}, "/HeartbeatSeconds", "heartbeats are not supported here"),
        ({**task("f"), "Assign": {}}, "/Assign", "variables are not supported here"),
        ({**task("f"), "Credentials": {}}, "/Credentials", "tasks in other accounts are not supported here"),
        ({**task("f"), "Arguments": {}}, "/Arguments", "it belongs to JSONata, and this runtime speaks JSONPath"),
        ({**task("f"), "QueryLanguage": "JSONata"}, "/QueryLanguage", "this runtime speaks JSONPath only"),
        ({"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage"}, "/Resource", "must be the ARN of a Lambda"),
        (
            {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken"},
            "/Resource",
            "must be the ARN",
        ),
        ({"Type": "Pass", "Nonsense": 1}, "/Nonsense", "Nonsense is no field of a Pass state"),
        ({"Type": "Pass", "InputPath": "a"}, "/InputPath", "cannot be read from character 1"),
        ({"Type": "Pass", "ResultPath": "$.a[*]"}, "/ResultPath", "no reference path"),
        ({"Type": "Pass", "Parameters": {"a": [{"b.$": "$.["}]}}, "/Parameters/a/0/b.$", "cannot be read"),
        ({"Type": "Pass", "Parameters": {"a.$": 5}}, "/Parameters/a.$", "must be a string"),
        ({"Type": "Pass", "Parameters": {"a.$": "$", "a": 1}}, "/Parameters/a.$", "a is there twice"),
        ({"Type": "Pass", "Parameters": "$"}, "/Parameters", "must be an object"),
        ({"Type": "Wait", "Seconds": -1}, "/Seconds", "must be an integer from 0"),
        ({"Type": "Wait", "Seconds": True}, "/Seconds", "must be an integer from 0"),
        ({"Type": "Wait", "Timestamp": "tomorrow"}, "/Timestamp", "must be an RFC 3339 timestamp"),
        ({"Type": "Wait"}, "", "must have exactly one of Seconds, SecondsPath, Timestamp, TimestampPath"),
        ({**task("f"), "TimeoutSeconds": 1, "TimeoutSecondsPath": "$.t"}, "", "may have only one of TimeoutSeconds"),
        ({**task("f"), "Retry": []}, "/Retry", "must be an array with at least one item"),
        ({**task("f"), "Retry": [{"MaxAttempts": 1}]}, "/Retry/0", "must have the field ErrorEquals"),
        (
            {**task("f"), "Retry": [{"ErrorEquals": ["A"], "BackoffRate": 0.5}]},
            "/Retry/0/BackoffRate",
            "must be a number",
        ),
        ({**task("f"), "Retry": [{"ErrorEquals": []}]}, "/Retry/0/ErrorEquals", "must be an array with at least"),
        ({**task("f"), "Retry": [{"ErrorEquals": ["States.ALL", "A"]}]}, "/Retry/0/ErrorEquals", "must stand alone"),
        (
            {**task("f"), "Retry": [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["A"]}]},
            "/Retry",
            "States.ALL must be in the last of them",
        ),
        ({**task("f"), "Catch": [{"ErrorEquals": ["A"]}]}, "/Catch/0", "must have the field Next"),
        ({"Type": "Choice", "Choices": []}, "/Choices", "must be an array with at least one item"),
        ({"Type": "Choice", "Choices": [{"Variable": "$", "IsNull": True}]}, "/Choices/0", "must have the field Next"),
        ({"Type": "Choice", "Choices": [{"IsNull": True, "Next": "S"}]}, "/Choices/0", "must have the field Variable"),
        ({"Type": "Choice", "Choices": [{"Variable": "$", "Next": "S"}]}, "/Choices/0", "must have exactly one of"),
        (
            {"Type": "Choice", "Choices": [{"Variable": "$", "NumericEquals": "1", "Next": "S"}]},
            "/Choices/0/NumericEquals",
            "must be a number",
        ),
        (
            {"Type": "Choice", "Choices": [{"Not": {"Variable": "$", "IsNull": True, "Next": "S"}, "Next": "S"}]},
            "/Choices/0/Not",
            "only the outermost rule has a Next",
        ),
        ({"Type": "Choice", "Choices": [{"Condition": "{% true %}", "Next": "S"}]}, "/Choices/0/Condition", "JSONata"),
        ({"Type": "Unknown"}, "/Type", "must be one of Pass, Task"),
        ({"Type": ["Pass"]}, "/Type", "must be one of Pass, Task"),
    ],
)
def test_a_fault_in_a_state_is_named_with_its_place(state: dict[str, Any], pointer: str, message: str) -> None:
    leaves = {} if state["Type"] == "Choice" else {"Next": "S"}
    found = faults({"StartAt": "A", "States": {"A": {**state, **leaves}, "S": {"Type": "Succeed"}}})
    assert message in found[f"/States/A{pointer}"]


@pytest.mark.parametrize("name", ["ItemReader", "ItemBatcher", "ResultWriter", "Items"])
def test_what_a_map_cannot_do_here_is_refused(name: str) -> None:
    assert "/States/Only/" + name in faults(mapped(distributed(chain(I={"Type": "Pass"})), **{name: {}}))


@pytest.mark.parametrize("name", ["ToleratedFailureCount", "ToleratedFailurePercentage", "Label"])
def test_an_inline_map_takes_nothing_of_a_distributed_one(name: str) -> None:
    value = "L" if name == "Label" else 5
    found = faults(mapped(chain(I={"Type": "Pass"}), **{name: value}))
    assert found == {f"/States/Only/{name}": "only a DISTRIBUTED Map can have it"}


def test_a_distributed_map_says_what_its_executions_are() -> None:
    processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED"}, **chain(I={"Type": "Pass"})}
    assert "ExecutionType" in faults(mapped(processor))["/States/Only"]


def test_a_machine_in_jsonata_is_refused() -> None:
    found = faults({**alone("Pass"), "QueryLanguage": "JSONata"})
    assert found == {"/QueryLanguage": "this runtime speaks JSONPath only; write the definition in JSONPath"}


@pytest.mark.parametrize(
    ("definition", "found"),
    [
        ([], {"": "a state machine must be an object"}),
        ({}, {"": "must have the field States"}),
        ({"StartAt": "A", "States": {}}, {"/States": "must be an object with at least one state"}),
        (
            {"StartAt": "B", "States": {"A": PASS}},
            {"/StartAt": "there is no state B here", "/States/A": "no other state leads here"},
        ),
        (
            {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "a/b"}}},
            {"/States/A/Next": "there is no state a/b here"},
        ),
        ({"StartAt": "A", "States": {"A": PASS, "a/b~": PASS}}, {"/States/a~1b~0": "no other state leads here"}),
        ({"StartAt": "A", "States": {"A": {"Type": "Pass"}}}, {"/States/A": "must have exactly one of Next, End"}),
        ({"StartAt": "A", "States": {"A": {**PASS, "Next": "A"}}}, {"/States/A": "must have exactly one of Next, End"}),
        ({"StartAt": "A", "States": {"A": {**PASS, "End": False}}}, {"/States/A/End": "must be true"}),
        (
            {"StartAt": "A" * 81, "States": {"A" * 81: PASS}},
            {f"/States/{'A' * 81}": "a state's name has 1 to 80 characters"},
        ),
        ({"StartAt": "A", "States": {"A": {**PASS, "Result": {1, 2}}}}, {"": "it is not JSON"}),
        ({"StartAt": "\ud800", "States": {"\ud800": PASS}}, {"": "it is not JSON"}),
        ({"StartAt": "A", "States": {"A": {**PASS, "Comment": "x" * 2**20}}}, {"": "it is larger than 1048576 bytes"}),
    ],
)
def test_a_fault_of_the_machine_is_named_with_its_place(definition: Any, found: dict[str, str]) -> None:
    assert faults(definition).items() >= found.items()


def test_a_name_may_not_come_back_in_a_branch() -> None:
    found = faults(chain(A={"Type": "Pass"}, P={"Type": "Parallel", "Branches": [chain(A={"Type": "Pass"})]}))
    assert set(found) == {"/States/A", "/States/P/Branches/0/States/A"}


def test_faults_inside_of_branches_and_iterations_have_their_whole_place() -> None:
    inner = {"StartAt": "I", "States": {"I": {"Type": "Pass", "Next": "Nowhere"}}}
    found = faults(mapped(chain(P={"Type": "Parallel", "Branches": [inner]})))
    assert list(found) == ["/States/Only/ItemProcessor/States/P/Branches/0/States/I/Next"]


def test_the_integration_needs_a_function_and_takes_a_payload_only() -> None:
    integration = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke"}
    assert list(faults(chain(A=dict(integration)))) == ["/States/A/Parameters"]
    refused = faults(chain(A={**integration, "Parameters": {"FunctionName": "f", "InvocationType": "Event"}}))
    assert list(refused) == ["/States/A/Parameters/InvocationType"]


def test_a_definition_nested_without_end_is_refused() -> None:
    result: list[Any] = []
    for _ in range(200):
        result = [result]
    assert faults(alone("Pass", Result=result)) == {"": "it is nested deeper than 100"}


def test_at_most_twenty_faults_are_told() -> None:
    assert len(faults({"StartAt": "A", "States": {f"S{n}": {"Type": "Nothing"} for n in range(50)}})) == 20


def test_a_refusal_names_the_first_fault_in_its_sentence() -> None:
    with pytest.raises(
        Invalid, match=r"machine orders has a fault at /States/Only/HeartbeatSeconds: heartbeats are not"
    ):
        check("orders", chain(Only=task("f", HeartbeatSeconds=3)))


def test_checking_does_not_change_a_definition() -> None:
    definition = mapped(chain(I=task("f")))
    before = copy.deepcopy(definition)
    check("machine", definition)
    assert definition == before
