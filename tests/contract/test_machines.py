import json
from pathlib import Path
from typing import Any

import pytest

from infra.template.machines import FOLDER, Machine, read_machines

FUNCTIONS = {"Collect", "Store"}


def definition(mode: str) -> dict[str, Any]:
    collect = {"Type": "Task", "Resource": "${Collect}", "End": True}
    processor = {"ProcessorConfig": {"Mode": mode}, "StartAt": "One", "States": {"One": collect}}
    return {
        "StartAt": "Batches",
        "States": {
            "Batches": {"Type": "Map", "ItemProcessor": processor, "Next": "Store"},
            "Store": {"Type": "Task", "Resource": "${Store}", "Next": "Again"},
            "Again": {"Type": "Task", "Resource": "${Store}", "End": True},
        },
    }


def read(folder: Path, **definitions: Any) -> tuple[Machine, ...]:
    (folder / FOLDER).mkdir(parents=True)
    for name, text in definitions.items():
        (folder / FOLDER / f"{name}.asl.json").write_text(text if isinstance(text, str) else json.dumps(text))
    return read_machines(folder, FUNCTIONS)


def test_a_machine_names_each_function_once_in_the_order_it_is_met(tmp_path: Path) -> None:
    (machine,) = read(tmp_path, pipeline=definition("INLINE"))
    assert machine.functions == ("Collect", "Store")


def test_machines_are_named_after_their_files_in_order(tmp_path: Path) -> None:
    machines = read(tmp_path, **{"settle-dlc": definition("INLINE"), "pipeline": definition("INLINE")})
    assert [(one.name, one.logical_id) for one in machines] == [
        ("pipeline", "PipelineMachine"),
        ("settle-dlc", "SettleDlcMachine"),
    ]


def test_a_machine_may_invoke_its_functions_and_nothing_else(tmp_path: Path) -> None:
    (machine,) = read(tmp_path, pipeline=definition("INLINE"))
    arns = [{"Fn::GetAtt": ["Collect", "Arn"]}, {"Fn::GetAtt": ["Store", "Arn"]}]
    assert machine.allowed == {("lambda:InvokeFunction",): arns}


def test_a_distributed_map_may_also_start_and_follow_its_own_children(tmp_path: Path) -> None:
    (machine,) = read(tmp_path, pipeline=definition("DISTRIBUTED"))
    actions = [action for actions in machine.allowed for action in actions]
    assert actions == [
        "lambda:InvokeFunction",
        "states:StartExecution",
        "states:DescribeExecution",
        "states:StopExecution",
        "states:RedriveExecution",
    ]
    assert machine.allowed[("states:StartExecution",)]["Fn::Sub"].endswith(":stateMachine:${AWS::StackName}-pipeline")


def test_a_function_that_does_not_exist_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"pipeline\.asl\.json names Colect, which no operation is called"):
        read(tmp_path, pipeline=json.dumps(definition("INLINE")).replace("${Collect}", "${Colect}"))


def test_a_definition_that_is_not_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"pipeline\.asl\.json is not JSON"):
        read(tmp_path, pipeline="StartAt: Batches")
