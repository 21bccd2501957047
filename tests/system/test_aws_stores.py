"""The same stages on DynamoDB and S3, as far as moto is them, publish the same rows as on one machine."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.local.bitcoind import RegtestNode
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.clock import SystemClock
from isthmus.pipeline import manifest, planning, runs, stages
from isthmus.pipeline.adapters.duckdb import DuckDb
from isthmus.ports import Blobs, Table
from isthmus.storage.adapters.dynamodb import DynamoDbTable
from isthmus.storage.adapters.files import FileBlobs
from isthmus.storage.adapters.s3 import S3Blobs
from isthmus.storage.adapters.sqlite import SqliteTable

pytestmark = [pytest.mark.node, pytest.mark.system]


class NoExecutions:
    def start(self, machine: str, name: str, payload: Any) -> bool:
        return True

    def status(self, machine: str, name: str) -> str | None:
        return "RUNNING"


@pytest.fixture
def aws_stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Table, Blobs]]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
        boto3.client("dynamodb").create_table(
            TableName="isthmus",
            KeySchema=keys,
            AttributeDefinitions=[{"AttributeName": key["AttributeName"], "AttributeType": "S"} for key in keys],
            BillingMode="PAY_PER_REQUEST",
        )
        boto3.client("s3").create_bucket(Bucket="isthmus")
        yield DynamoDbTable("isthmus"), S3Blobs("isthmus")


def published(node: RegtestNode, table: Table, blobs: Blobs) -> tuple[Any, list[bytes]]:
    """Run the whole pipeline; the manifest's segments and the bytes of all their files."""
    core = BitcoinCore.from_environment({"ISTHMUS_BITCOIN_URL": node.url, "ISTHMUS_BITCOIN_COOKIE": str(node.cookie)})
    sql, clock, chain = DuckDb(), SystemClock(), planning.look_at(core)
    plan = planning.plan(core, chain, None, (100, 140), follow=True)
    run = runs.start(table, NoExecutions(), clock, chain, plan)
    for window in plan.batches:
        stages.collect(table, blobs, core, sql, run.run_id, window.first)
        stages.validate(table, blobs, sql, run.run_id, window.first)
        stages.process(table, blobs, sql, run.run_id, window.first)
    stages.store(table, blobs, run.run_id)
    assert stages.analyze(table, blobs, sql, clock, run.run_id).status == "complete"
    current, _ = manifest.load(blobs)
    assert current is not None
    files = [blobs.get(key) for key in blobs.list("segments/")]
    return current.segments, [file.body for file in files if file]


def test_both_kinds_of_stores_hold_the_same_bytes(
    lively_node: RegtestNode, aws_stores: tuple[Table, Blobs], tmp_path: Any
) -> None:
    here = published(lively_node, SqliteTable(tmp_path / "table.sqlite"), FileBlobs(tmp_path / "blobs"))

    assert published(lively_node, *aws_stores) == here
