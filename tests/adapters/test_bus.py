"""The Bus port on EventBridge (moto) and on the local runtime: the same adapter, the same promises."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from isthmus.bus import MAX_ENTRIES, EventBridge
from isthmus.failure import TooLarge, Unavailable, Upstream
from isthmus.ports import News
from tests.local.test_control import TOKEN, served

Heard = Callable[[], list[dict[str, Any]]]


@pytest.fixture(params=["moto", "local"])
def bus(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The adapter, and what a subscriber has heard."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials that another test had
    if request.param == "local":
        with served(tmp_path / "executions.sqlite") as (_, address):
            monkeypatch.setenv("AWS_ENDPOINT_URL", address.control)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", TOKEN)
            journal = tmp_path / "events.jsonl"
            yield EventBridge("isthmus"), lambda: [json.loads(line) for line in journal.read_text().splitlines()]
        return
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "moto")
    with mock_aws():
        yield subscribed()


def subscribed() -> tuple[EventBridge, Heard]:
    """A bus whose rule sends everything of the faults to a queue."""
    events, queues = boto3.client("events"), boto3.client("sqs")
    queue = queues.create_queue(QueueName="heard")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.create_event_bus(Name="isthmus")
    events.put_rule(Name="all", EventBusName="isthmus", EventPattern=json.dumps({"source": ["isthmus.faults"]}))
    events.put_targets(Rule="all", EventBusName="isthmus", Targets=[{"Id": "queue", "Arn": arn}])

    def heard() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while messages := queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                queues.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            found += [json.loads(message["Body"]) for message in messages]
        return found

    return EventBridge("isthmus"), heard


def news(number: int) -> News:
    return News(f"id-{number}", "isthmus.faults", "fault group new", {"number": number, "severity": "error"})


def test_a_subscriber_hears_all_that_was_published_with_its_id(bus: tuple[EventBridge, Heard]) -> None:
    publisher, heard = bus
    publisher.publish([news(number) for number in range(2 * MAX_ENTRIES + 3)])
    got = heard()
    assert sorted(one["detail"]["number"] for one in got) == list(range(2 * MAX_ENTRIES + 3))
    assert {one["detail"]["id"] for one in got} == {f"id-{number}" for number in range(2 * MAX_ENTRIES + 3)}
    assert {(one["source"], one["detail-type"]) for one in got} == {("isthmus.faults", "fault group new")}


def test_nothing_to_publish_asks_nobody(bus: tuple[EventBridge, Heard]) -> None:
    publisher, _ = bus
    with Stubber(publisher._client):
        publisher.publish([])


def test_only_what_was_not_taken_is_sent_again(bus: tuple[EventBridge, Heard]) -> None:
    publisher, _ = bus
    sent = [publisher._entry(news(number)) for number in range(3)]
    with Stubber(publisher._client) as says:
        failed = {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}
        first = {"FailedEntryCount": 1, "Entries": [{"EventId": "1"}, failed, {"EventId": "3"}]}
        says.add_response("put_events", first, {"Entries": sent})
        says.add_response("put_events", {"FailedEntryCount": 0, "Entries": [{"EventId": "2"}]}, {"Entries": [sent[1]]})
        publisher.publish([news(number) for number in range(3)])
        says.assert_no_pending_responses()


def test_what_is_never_taken_is_said(bus: tuple[EventBridge, Heard]) -> None:
    publisher, _ = bus
    with Stubber(publisher._client) as says:
        for _ in range(3):
            failed = {"ErrorCode": "InternalFailure", "ErrorMessage": "no"}
            says.add_response("put_events", {"FailedEntryCount": 1, "Entries": [failed]})
        with pytest.raises(Unavailable) as refused:
            publisher.publish([news(1)])
    assert refused.value.upstream == Upstream("events", "InternalFailure")


def test_what_is_too_large_is_refused_before_anything_is_sent(bus: tuple[EventBridge, Heard]) -> None:
    publisher, heard = bus
    large = News("id", "isthmus.faults", "fault group new", {"text": "x" * 300_000})
    publisher.publish([news(1)])
    with pytest.raises(TooLarge):
        publisher.publish([news(2), large])
    assert [one["detail"]["number"] for one in heard()] == [1]
