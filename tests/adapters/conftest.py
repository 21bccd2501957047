"""Both adapters of both storage ports; every test of the conformance suites runs on each."""

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

import isthmus
from isthmus.storage.adapters.dynamodb import DynamoDbTable
from isthmus.storage.adapters.files import FileBlobs
from isthmus.storage.adapters.s3 import S3Blobs
from isthmus.storage.adapters.sqlite import SqliteTable
from isthmus.storage.blobs import Blobs
from isthmus.storage.table import Table


class OneAtATime:
    """A client whose requests wait for each other.

    DynamoDB and S3 check a condition and write in one step; moto does it in two, and loses updates between them.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(**arguments: Any) -> Any:
            with self._lock:
                return method(**arguments)

        return call


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    """One simulated account per file of tests: every start of moto loads boto3's service models anew."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield


@pytest.fixture
def dynamodb(aws: None) -> DynamoDbTable:
    name = f"table-{uuid.uuid4()}"
    boto3.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    return DynamoDbTable(name)


@pytest.fixture
def s3(aws: None) -> S3Blobs:
    name = f"bucket-{uuid.uuid4()}"
    boto3.client("s3").create_bucket(Bucket=name)
    return S3Blobs(name)


@pytest.fixture(params=["sqlite", "dynamodb"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Table:
    if request.param == "sqlite":
        return SqliteTable(tmp_path / "home" / "table.sqlite")
    dynamodb: DynamoDbTable = request.getfixturevalue("dynamodb")
    dynamodb._client = OneAtATime(dynamodb._client)
    return dynamodb


@pytest.fixture(params=["files", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "files":
        return FileBlobs(tmp_path / "home" / "blobs")
    s3: S3Blobs = request.getfixturevalue("s3")
    s3._client = OneAtATime(s3._client)
    return s3


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often each of the racing threads writes; moto takes milliseconds for what SQLite does in microseconds."""
    return 50 if {"sqlite", "files"} & set(request.node.callspec.params.values()) else 10


@pytest.fixture
def at_once() -> Callable[[int, Callable[[int], Any]], list[Any]]:
    """Run a function in so many threads that start together, and return what they return."""

    def run(threads: int, work: Callable[[int], Any]) -> list[Any]:
        start = threading.Barrier(threads)

        def started(number: int) -> Any:
            start.wait()
            return work(number)

        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(started, range(threads)))

    return run


class Children:
    """Processes that run storage_child.py."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []

    def start(self, what: str, path: Path, count: int = 0) -> subprocess.Popen[str]:
        """A process that is ready and waits for `go`."""
        script = Path(__file__).with_name("storage_child.py")
        environment = os.environ | {"PYTHONPATH": str(Path(isthmus.__file__).parent.parent)}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        child = subprocess.Popen([sys.executable, script, what, path, str(count)], env=environment, **pipes)
        self.started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        return child

    def go(self) -> None:
        """Let every process begin that waits."""
        for child in self.started:
            if child.poll() is None:
                assert child.stdin is not None
                child.stdin.write("go\n")
                child.stdin.flush()


@pytest.fixture
def children() -> Iterator[Children]:
    run = Children()
    yield run
    for child in run.started:
        child.kill()
        child.communicate()
