"""Both adapters of both storage ports; every test of the conformance suites runs on each."""

import os
import threading
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


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


@pytest.fixture
def dynamodb(aws: None) -> DynamoDbTable:
    boto3.client("dynamodb").create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    return DynamoDbTable("table")


@pytest.fixture
def s3(aws: None) -> S3Blobs:
    boto3.client("s3").create_bucket(Bucket="bucket")
    return S3Blobs("bucket")


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


@pytest.fixture
def child_environment() -> dict[str, str]:
    """For processes that import the library."""
    return os.environ | {"PYTHONPATH": str(Path(isthmus.__file__).parent.parent)}
