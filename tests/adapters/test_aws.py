"""What the adapters of AWS make of answers that moto never gives."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, NoCredentialsError, ReadTimeoutError
from botocore.stub import ANY, Stubber

from isthmus.failure import Conflict, Defect, Failure, Unavailable, Upstream
from isthmus.storage.adapters.dynamodb import DynamoDbTable
from isthmus.storage.adapters.s3 import S3Blobs
from isthmus.storage.blobs import IfAbsent, IfMatch
from isthmus.storage.table import Absent, Put

Use = Callable[[], Any]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")


@pytest.fixture
def table(account: None) -> DynamoDbTable:
    return DynamoDbTable("table")


@pytest.fixture
def dynamodb_says(table: DynamoDbTable) -> Iterator[Stubber]:
    with Stubber(table._client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def blobs(account: None) -> S3Blobs:
    return S3Blobs("bucket")


@pytest.fixture
def s3_says(blobs: S3Blobs) -> Iterator[Stubber]:
    with Stubber(blobs._client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def cancelled(*codes: str) -> dict[str, Any]:
    """The answer to a transaction that was cancelled for these reasons."""
    return {
        "method": "transact_write_items",
        "service_error_code": "TransactionCanceledException",
        "modeled_fields": {"CancellationReasons": [{"Code": code} for code in codes]},
    }


def transact(table: DynamoDbTable) -> None:
    table.transact([Put("p", "s", {}), Put("p", "t", {}, Absent())])


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ConditionalCheckFailedException", Conflict),
        ("ProvisionedThroughputExceededException", Unavailable),
        ("ThrottlingException", Unavailable),
        ("RequestLimitExceeded", Unavailable),
        ("InternalServerError", Unavailable),
        ("ServiceUnavailable", Unavailable),
        ("ResourceNotFoundException", Unavailable),
        ("AccessDeniedException", Unavailable),
        ("ExpiredTokenException", Unavailable),
        ("ValidationException", Defect),
    ],
)
def test_each_error_of_dynamodb_becomes_one_of_our_failures(
    table: DynamoDbTable, dynamodb_says: Stubber, code: str, kind: type[Failure]
) -> None:
    dynamodb_says.add_client_error("put_item", code, "text from elsewhere")
    with pytest.raises(kind) as failure:
        table.put("p", "s", {}, when=Absent())
    assert "elsewhere" not in str(failure.value)
    assert failure.value.upstream == (None if kind is Conflict else Upstream("dynamodb", code))


def test_reads_turn_errors_into_failures_too(table: DynamoDbTable, dynamodb_says: Stubber) -> None:
    for method, use in (("get_item", lambda: table.get("p", "s")), ("query", lambda: table.query("p"))):
        dynamodb_says.add_client_error(method, "ThrottlingException")
        with pytest.raises(Unavailable):
            use()


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        (("None", "ConditionalCheckFailed"), Conflict),
        (("TransactionConflict", "ConditionalCheckFailed"), Conflict),
        (("None", "ThrottlingError"), Unavailable),
        (("ProvisionedThroughputExceeded", "None"), Unavailable),
        (("None", "ValidationError"), Defect),
        (("None",), Unavailable),
    ],
)
def test_each_reason_of_a_cancelled_transaction_becomes_one_of_our_failures(
    table: DynamoDbTable, dynamodb_says: Stubber, codes: tuple[str, ...], kind: type[Failure]
) -> None:
    dynamodb_says.add_client_error(**cancelled(*codes))
    with pytest.raises(kind):
        transact(table)


def test_a_transaction_is_sent_again_while_another_has_its_items(table: DynamoDbTable, dynamodb_says: Stubber) -> None:
    dynamodb_says.add_client_error(**cancelled("TransactionConflict", "None"))
    dynamodb_says.add_client_error("transact_write_items", "TransactionConflictException")
    dynamodb_says.add_response("transact_write_items", {})
    transact(table)


def test_a_transaction_that_others_keep_from_its_items_is_unavailable(
    table: DynamoDbTable, dynamodb_says: Stubber
) -> None:
    for _ in range(6):
        dynamodb_says.add_client_error(**cancelled("TransactionConflict", "None"))
    with pytest.raises(Unavailable) as failure:
        transact(table)
    assert failure.value.upstream == Upstream("dynamodb", "TransactionConflict")


def test_the_retries_of_a_transaction_carry_the_token_of_its_first_attempt(dynamodb: DynamoDbTable) -> None:
    tokens: list[str] = []

    def cut_the_first_line(request: Any, **_: Any) -> None:
        tokens.append(json.loads(request.body)["ClientRequestToken"])
        if len(tokens) == 1:
            raise ConnectionClosedError(endpoint_url="there")

    dynamodb._client.meta.events.register_first("before-send.dynamodb.TransactWriteItems", cut_the_first_line)
    transact(dynamodb)
    assert (len(tokens), len(set(tokens))) == (2, 1)


def test_a_conditional_put_whose_first_answer_was_lost_is_not_called_a_conflict(dynamodb: DynamoDbTable) -> None:
    attempts: list[Any] = []

    def lose_the_first_answer(request: Any, **_: Any) -> None:
        attempts.append(request)
        if len(attempts) == 1:
            boto3.client("dynamodb").put_item(**json.loads(request.body))
            raise ConnectionClosedError(endpoint_url="there")

    dynamodb._client.meta.events.register_first("before-send.dynamodb.PutItem", lose_the_first_answer)
    with pytest.raises(Unavailable):
        dynamodb.put("p", "s", {"n": 1}, when=Absent())
    assert dynamodb.get("p", "s") == {"n": 1}


def test_numbers_written_with_an_exponent_are_read_exactly(table: DynamoDbTable, dynamodb_says: Stubber) -> None:
    item = {"item": {"M": {"n": {"N": "1E+37"}, "m": {"N": "-1.2E+1"}}}}
    dynamodb_says.add_response("get_item", {"Item": item})
    assert table.get("p", "s") == {"n": 10**37, "m": -12}


def test_a_query_goes_on_until_the_page_is_full(table: DynamoDbTable, dynamodb_says: Stubber) -> None:
    def answer(*keys: str, more: bool) -> dict[str, Any]:
        items = [{"pk": {"S": "p"}, "sk": {"S": key}, "item": {"M": {}}} for key in keys]
        last = {"LastEvaluatedKey": {"pk": {"S": "p"}, "sk": {"S": keys[-1]}}} if keys else {}
        return {"Items": items} | (last if more else {})

    first = {"Limit": 4} | dict.fromkeys(QUERY, ANY)
    later = {"ExclusiveStartKey": ANY} | dict.fromkeys(QUERY, ANY)
    dynamodb_says.add_response("query", answer("a", "b", more=True), first)
    dynamodb_says.add_response("query", answer("c", more=True), later | {"Limit": 2})
    dynamodb_says.add_response("query", answer("d", more=True), later | {"Limit": 1})
    page = table.query("p", limit=3)
    assert ([row.sk for row in page.rows], page.after) == (["a", "b", "c"], "c")


QUERY = (
    "TableName",
    "ConsistentRead",
    "ScanIndexForward",
    "KeyConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("PreconditionFailed", Conflict),
        ("ConditionalRequestConflict", Conflict),
        ("NoSuchKey", Conflict),
        ("SlowDown", Unavailable),
        ("InternalError", Unavailable),
        ("RequestTimeout", Unavailable),
        ("NoSuchBucket", Unavailable),
        ("AccessDenied", Unavailable),
        ("InvalidArgument", Defect),
    ],
)
def test_each_error_of_s3_becomes_one_of_our_failures(
    blobs: S3Blobs, s3_says: Stubber, code: str, kind: type[Failure]
) -> None:
    s3_says.add_client_error("put_object", code, "text from elsewhere")
    with pytest.raises(kind) as failure:
        blobs.put("a", b"", when=IfMatch("etag"))
    assert "elsewhere" not in str(failure.value)


def test_a_put_refused_after_a_lost_answer_is_not_called_a_conflict(blobs: S3Blobs, s3_says: Stubber) -> None:
    s3_says.add_client_error("put_object", "PreconditionFailed", response_meta={"RetryAttempts": 1})
    with pytest.raises(Unavailable):
        blobs.put("a", b"", when=IfAbsent())


def test_a_list_that_s3_cuts_short_is_continued(blobs: S3Blobs, s3_says: Stubber) -> None:
    asked = {"Bucket": "bucket", "Prefix": "k/"}
    s3_says.add_response("list_objects_v2", {"Contents": [{"Key": "k/1"}], "IsTruncated": True}, asked | {"MaxKeys": 3})
    s3_says.add_response(
        "list_objects_v2",
        {"Contents": [{"Key": "k/2"}], "IsTruncated": False},
        asked | {"MaxKeys": 2, "StartAfter": "k/1"},
    )
    assert blobs.list("k/", limit=3) == ["k/1", "k/2"]


@pytest.mark.parametrize(
    "error",
    [
        ConnectTimeoutError(endpoint_url="there"),
        ReadTimeoutError(endpoint_url="there"),
        NoCredentialsError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_service_that_does_not_answer_is_unavailable(table: DynamoDbTable, blobs: S3Blobs, error: Exception) -> None:
    def fail(**_: Any) -> None:
        raise error

    # Without the client's retries, and their pauses.
    once: Any = Config(retries={"total_max_attempts": 1, "mode": "standard"})
    table._client, blobs._client = (boto3.client(name, config=once) for name in ("dynamodb", "s3"))
    for client in (table._client, blobs._client):
        client.meta.events.register("before-send", fail)
    uses: list[Use] = [
        lambda: table.get("p", "s"),
        lambda: table.put("p", "s", {}),
        lambda: table.transact([Put("p", "s", {})]),
        lambda: blobs.get("a"),
        lambda: blobs.put("a", b""),
        lambda: blobs.fetch("a"),
        lambda: blobs.list(""),
        lambda: blobs.delete("a"),
    ]
    for use in uses:
        with pytest.raises(Unavailable) as failure:
            use()
        assert failure.value.upstream is not None
        assert failure.value.upstream.code == type(error).__name__


def test_a_client_tries_no_more_often_than_three_times_and_for_seconds(table: DynamoDbTable, blobs: S3Blobs) -> None:
    for client in (table._client, blobs._client):
        config = client.meta.config
        assert config.retries["total_max_attempts"] == 3
        assert 3 * (config.connect_timeout + config.read_timeout) < 29


def test_a_blob_is_copied_once_per_etag(s3: S3Blobs) -> None:
    asked: list[str] = []
    s3._client.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    s3.put("a.txt", b"first")
    first = [s3.fetch("a.txt") for _ in range(3)]
    s3.put("a.txt", b"second")
    second = [s3.fetch("a.txt") for _ in range(3)]
    assert (asked.count("GetObject"), len(set(first)), len(set(second))) == (2, 1, 1)
    assert first[0] is not None
    assert second[0] is not None
    assert (first[0].read_bytes(), second[0].read_bytes()) == (b"first", b"second")


def test_threads_that_fetch_together_share_one_folder(s3: S3Blobs) -> None:
    for number in range(8):
        s3.put(f"{number}", b"%d" % number)
    found: dict[int, Any] = {}
    threads = [
        threading.Thread(target=lambda number=number: found.update({number: s3.fetch(f"{number}")}))  # type: ignore[misc]
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: path.read_bytes() for number, path in found.items()} == {n: b"%d" % n for n in range(8)}
    assert len({path.parent for path in found.values()}) == 1
