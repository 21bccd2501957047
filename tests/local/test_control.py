"""The control API: its door, and Step Functions as boto3 speaks it."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import uvicorn
from botocore.exceptions import ClientError

from infra.local import outcome
from infra.local.client import Answer, send
from infra.local.client import control as ask_control
from infra.local.control import Controls, control
from infra.local.event_bus import EventBus
from infra.local.expand import Machine
from infra.local.home import Address
from infra.local.logs import BoundedLog
from infra.local.outcome import Outcome
from infra.local.runtime import _listener, _url
from infra.local.states.engine import Engine
from infra.local.states.errors import TaskError
from infra.local.step_functions import step_functions

TOKEN = "0123456789abcdef"
ARN = "arn:aws:states:us-east-1:000000000000:stateMachine:isthmus-double"
TASK = "arn:aws:lambda:us-east-1:000000000000:function:isthmus-Task"
DEFINITION = {"StartAt": "Double", "States": {"Double": {"Type": "Task", "Resource": TASK, "End": True}}}


class World:
    """A control API over a real engine; tasks wait for `gate` when their input says so."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.stopped = threading.Event()
        self.started: list[tuple[str, bytes]] = []

    async def task(self, name: str, payload: Any, timeout_s: float | None) -> Any:
        if payload.get("wait"):
            await self.gate.wait()
        if payload.get("fail"):
            raise TaskError("LookupError", '{"errorMessage": "no such block"}')
        return {"doubled": payload.get("number", 0) * 2}

    def start(self, function: str, payload: bytes) -> str:
        self.started.append((function, payload))
        return "invocation-1"

    async def invoke(self, function: str, payload: bytes) -> Outcome:
        if payload == b'"fail"':
            return outcome.raised(b'{"errorType": "LookupError"}')
        return outcome.succeeded(json.dumps([function, json.loads(payload)]).encode())


@contextmanager
def served(journal: Path) -> Iterator[tuple[World, Address]]:
    """The control API on a port of its own, served by a loop in another thread."""
    ready = threading.Event()
    listener = _listener(0)
    found: dict[str, Any] = {}

    async def serve() -> None:
        world = found["world"] = World()
        engine = Engine(journal, world.task)
        machine = Machine("isthmus-double", ARN, DEFINITION)
        engine.register(machine.name, machine.definition)
        journal_of_events = found["events"] = BoundedLog(journal.with_name("events.jsonl"))
        controls = Controls(
            TOKEN,
            step_functions(engine, [machine]),
            EventBus(journal_of_events),
            world.invoke,
            world.start,
            {"get_block": "GetBlock"},
            lambda: {"pid": 1},
            world.stopped.set,
        )
        config = uvicorn.Config(
            control(controls), loop="asyncio", ws="none", lifespan="off", log_config=None, log_level="warning"
        )
        found["server"] = uvicorn.Server(config)
        ready.set()
        await found["server"].serve(sockets=[listener])
        await engine.close()
        journal_of_events.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(10)
    try:
        yield found["world"], Address(1, "http://127.0.0.1:1", _url(listener), TOKEN)
    finally:
        found["server"].should_exit = True
        thread.join()
        listener.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[World, Address]]:
    with served(tmp_path / "executions.sqlite") as (world, address):
        yield world, address


@pytest.fixture
def address(world: tuple[World, Address]) -> Address:
    return world[1]


@pytest.fixture
def client(address: Address, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """boto3's client, configured by nothing but the environment that workers have."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", address.control)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", TOKEN)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    made = boto3.Session().client("stepfunctions")
    yield made
    made.close()


def finished(client: Any, arn: str) -> Any:
    """The execution when it has ended."""
    waiting = threading.Event()
    for _ in range(500):
        described = client.describe_execution(executionArn=arn)
        if described["status"] != "RUNNING":
            return described
        waiting.wait(0.01)
    raise AssertionError("the execution does not end")


def error_of(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def test_boto3_starts_describes_and_lists_executions(client: Any) -> None:
    started = client.start_execution(stateMachineArn=ARN, name="first", input='{"number": 21}')
    described = finished(client, started["executionArn"])

    assert started["executionArn"] == ARN.replace("stateMachine", "execution") + ":first"
    assert (described["status"], json.loads(described["output"])) == ("SUCCEEDED", {"doubled": 42})
    assert json.loads(described["input"]) == {"number": 21}
    assert described["startDate"] <= described["stopDate"]
    listed = client.list_executions(stateMachineArn=ARN, statusFilter="SUCCEEDED")["executions"]
    assert [one["name"] for one in listed] == ["first"]
    assert client.list_executions(stateMachineArn=ARN, statusFilter="FAILED")["executions"] == []


def test_a_failed_execution_shows_its_error_and_cause(client: Any) -> None:
    started = client.start_execution(stateMachineArn=ARN, input='{"fail": true}')
    described = finished(client, started["executionArn"])

    assert (described["status"], described["error"]) == ("FAILED", "LookupError")
    assert json.loads(described["cause"]) == {"errorMessage": "no such block"}


def test_starting_again_is_the_same_while_it_runs_with_the_same_input(
    world: tuple[World, Address], client: Any
) -> None:
    first = client.start_execution(stateMachineArn=ARN, name="one", input='{"wait": true}')
    again = client.start_execution(stateMachineArn=ARN, name="one", input='{"wait":true}')

    assert first["executionArn"] == again["executionArn"]
    assert error_of(lambda: client.start_execution(stateMachineArn=ARN, name="one")) == "ExecutionAlreadyExists"
    client.stop_execution(executionArn=first["executionArn"], error="Stopped", cause="by a test")
    described = finished(client, first["executionArn"])
    assert (described["status"], described["error"]) == ("ABORTED", "Stopped")
    assert (
        error_of(lambda: client.start_execution(stateMachineArn=ARN, name="one", input='{"wait": true}'))
        == "ExecutionAlreadyExists"
    )


def test_the_history_has_typed_events(client: Any) -> None:
    arn = client.start_execution(stateMachineArn=ARN, input='{"number": 1}')["executionArn"]
    finished(client, arn)

    events = client.get_execution_history(executionArn=arn)["events"]
    types = [event["type"] for event in events]
    assert types[0] == "ExecutionStarted"
    assert types[-1] == "ExecutionSucceeded"
    entered = next(event for event in events if event["type"] == "TaskStateEntered")
    assert entered["stateEnteredEventDetails"]["name"] == "Double"
    reverse = client.get_execution_history(executionArn=arn, reverseOrder=True)["events"]
    assert [event["id"] for event in reverse] == [event["id"] for event in events][::-1]


def test_machines_are_described_and_listed(client: Any) -> None:
    described = client.describe_state_machine(stateMachineArn=ARN)

    assert json.loads(described["definition"]) == DEFINITION
    assert [one["name"] for one in client.list_state_machines()["stateMachines"]] == ["isthmus-double"]


def test_errors_have_awss_names(client: Any) -> None:
    execution = ARN.replace("stateMachine", "execution")
    assert error_of(lambda: client.start_execution(stateMachineArn=ARN + "x")) == "StateMachineDoesNotExist"
    assert error_of(lambda: client.start_execution(stateMachineArn="arn:aws:s3:::x")) == "InvalidArn"
    assert error_of(lambda: client.start_execution(stateMachineArn=ARN, name="a b")) == "InvalidName"
    assert error_of(lambda: client.start_execution(stateMachineArn=ARN, input="{")) == "InvalidExecutionInput"
    large = json.dumps("x" * 256 * 1024)
    assert error_of(lambda: client.start_execution(stateMachineArn=ARN, input=large)) == "InvalidExecutionInput"
    assert error_of(lambda: client.describe_execution(executionArn=execution + ":no")) == "ExecutionDoesNotExist"
    assert error_of(lambda: client.describe_execution(executionArn=execution)) == "InvalidArn"
    assert error_of(client.list_activities) == "UnknownOperationException"


def test_nobody_passes_without_the_token_or_from_another_host(address: Address) -> None:
    bearer = {"authorization": f"Bearer {TOKEN}"}

    assert send(address.control, "GET", "/status").status == 401
    assert send(address.control, "GET", "/status", headers={"authorization": "Bearer " + TOKEN[:-1]}).status == 401
    assert send(address.control, "GET", "/status", headers=bearer | {"host": "evil.example"}).status == 403
    assert send(address.control, "GET", "/status", headers=bearer | {"origin": "http://evil.example"}).status == 403
    assert send(address.control, "GET", "/status", headers=bearer).status == 200


def asked(address: Address, path: str, body: bytes) -> Answer:
    return ask_control(address, "POST", path, body)


def test_functions_are_invoked_by_the_names_of_their_operations(address: Address) -> None:
    assert json.loads(asked(address, "/invoke/get_block", b"[1]").body) == ["GetBlock", [1]]
    assert asked(address, "/2015-03-31/functions/get_block/invocations", b"").ok
    failed = asked(address, "/invoke/get_block", b'"fail"')
    assert (failed.status, failed.headers["x-amz-function-error"]) == (200, "Unhandled")
    assert asked(address, "/invoke/nothing", b"{}").status == 404
    assert asked(address, "/invoke/get_block", b"{").status == 400
    assert asked(address, "/elsewhere", b"{}").status == 404


def test_whoever_holds_the_token_can_stop_the_runtime(world: tuple[World, Address]) -> None:
    assert asked(world[1], "/stop", b"").ok
    assert world[0].stopped.is_set()
