"""The Functions port on Lambda's protocol: the local runtime, and the service's refusals."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from isthmus.failure import NotFound, Unavailable
from isthmus.invoking import LambdaFunctions
from tests.local.test_control import TOKEN, served

ARN = "arn:aws:lambda:us-east-1:000000000000:function:get_block"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_DEFAULT_REGION": "us-east-1", "AWS_SECRET_ACCESS_KEY": "local"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", TOKEN)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials that another test had


@pytest.mark.parametrize("version", ["", ":$LATEST"])
def test_the_local_runtime_takes_an_event_without_waiting_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    with served(tmp_path / "executions.sqlite") as (world, address):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address.control)
        LambdaFunctions().start(ARN + version, {"source": "aws.scheduler"})
        ((function, payload),) = world.started
    assert (function, json.loads(payload)) == ("GetBlock", {"source": "aws.scheduler"})


def test_the_local_runtime_knows_no_other_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path / "executions.sqlite") as (world, address):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address.control)
        with pytest.raises(NotFound):
            LambdaFunctions().start(ARN + "s", {})
    assert world.started == []


@pytest.mark.parametrize(
    ("code", "kind"), [("ResourceNotFoundException", NotFound), ("TooManyRequestsException", Unavailable)]
)
def test_what_the_service_refuses_is_said(code: str, kind: Any) -> None:
    functions = LambdaFunctions()
    with Stubber(functions._client) as says:
        says.add_client_error("invoke", code)
        with pytest.raises(kind):
            functions.start(ARN, {})
