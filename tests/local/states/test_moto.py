"""The same definitions and inputs on this engine and on moto's interpreter, with the same functions behind both."""

import json
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local.states.cases import CASES, FLAKY, FUNCTIONS, Case
from tests.local.states.conftest import Runner
from tests.local.states.machines import FunctionFailedError, payload_of
from tests.local.states.wrong import MOTO_IS_WRONG

Ended = dict[str, Any]
"""Status, output and error, and the cause if it is the task's own."""


def answer_moto(_self: Any, name: str, _qualifier: Any, body: Any, _headers: Any, answered: dict[str, str]) -> bytes:
    """What stands for Lambda in moto."""
    try:
        return json.dumps(FUNCTIONS[name.rsplit(":", 1)[-1]](json.loads(body))).encode()
    except FunctionFailedError as failed:
        answered["x-amz-function-error"] = "Unhandled"
        return payload_of(failed).encode()


@pytest.fixture(scope="module")
def moto() -> Iterator[Callable[[Case], Ended]]:
    import boto3
    from moto import mock_aws
    from moto.awslambda_simple.models import LambdaSimpleBackend
    from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl

    config: Any = {"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}}
    with pytest.MonkeyPatch.context() as patch, mock_aws(config=config):
        patch.setattr(LambdaSimpleBackend, "invoke", answer_moto)
        patch.setattr(retrier_decl, "time", types.SimpleNamespace(sleep=lambda _seconds: None))
        client = boto3.client("stepfunctions", region_name="us-east-1")
        yield lambda case: run_moto(client, case)


def run_moto(client: Any, case: Case) -> Ended:
    FLAKY.fresh()
    role = "arn:aws:iam::123456789012:role/states"
    definition = json.dumps(case.definition)
    machine = client.create_state_machine(name="machine", definition=definition, roleArn=role)["stateMachineArn"]
    execution = client.start_execution(stateMachineArn=machine, input=json.dumps(case.payload))["executionArn"]
    while (described := client.describe_execution(executionArn=execution))["status"] == "RUNNING":
        time.sleep(0.005)  # moto sends no events
    client.delete_state_machine(stateMachineArn=machine)
    ended = {name: described.get(name) for name in ("status", "output", "error", "cause")}
    return comparable(ended)


def run_here(run: Runner, case: Case) -> Ended:
    FLAKY.fresh()
    ended = run(case.definition, case.payload, FUNCTIONS)
    output = json.dumps(ended.output) if ended.status == "SUCCEEDED" else None
    return comparable({"status": ended.status, "output": output, "error": ended.error, "cause": ended.cause})


def comparable(ended: Ended) -> Ended:
    """The interpreter's own words about an error are not compared."""
    try:
        ended["output"] = json.loads(ended["output"] or "null")
    except ValueError:
        ended["output"] = f"no JSON: {ended['output']}"
    if str(ended["error"]).startswith("States."):
        ended["cause"] = None
    return ended


@pytest.mark.parametrize("name", CASES)
def test_both_interpreters_agree(run: Runner, moto: Callable[[Case], Ended], name: str) -> None:
    assert run_here(run, CASES[name]) == moto(CASES[name])


@pytest.mark.parametrize("name", MOTO_IS_WRONG)
def test_this_one_is_right_where_moto_is_known_to_be_wrong(
    run: Runner, moto: Callable[[Case], Ended], name: str
) -> None:
    wrong = MOTO_IS_WRONG[name]
    here = run_here(run, wrong.case)
    assert (here["status"], here["output"], here["error"]) == (wrong.status, wrong.output, wrong.error)
    assert moto(wrong.case) != here, "moto agrees by now: move this case to those that are compared"
