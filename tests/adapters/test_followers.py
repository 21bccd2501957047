"""Who follows a partition, with the table's stream as far as moto is it, and the template's own filters."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import boto3
import pytest
from samtranslator.yaml_helper import yaml_parse

from infra.template.sam import logical_id, render
from isthmus import wiring
from isthmus.access.caller import Caller
from isthmus.catalogue import operations
from isthmus.clock import SystemClock
from isthmus.outbound import Answer, Outgoing
from isthmus.ports import Bus, Clock, Deployment, News, Outbound, Table
from isthmus.storage.adapters.dynamodb import DynamoDbTable
from isthmus.webhooks import endpoints
from tests.adapters.conftest import OneAtATime
from tests.faults.feed import happen

RESOURCES: dict[str, Any] = yaml_parse(render(operations(), ()))["Resources"]
FOLLOWING = {one.name: one for one in operations() if one.follows}
ENOUGH = 20
OWNER = "did:key:zOwner"


def pattern(name: str) -> Any:
    """What an operation's mapping wants to be told."""
    mapping = RESOURCES[logical_id(FOLLOWING[name]) + "Follows"]["Properties"]
    (one,) = mapping["FilterCriteria"]["Filters"]
    return json.loads(one["Pattern"])


def fits(wanted: Any, found: Any) -> bool:
    """Whether a record is one that a filter lets pass: each name is there, each value is one of those listed."""
    if isinstance(wanted, list):
        return found in wanted
    return isinstance(found, dict) and all(name in found and fits(one, found[name]) for name, one in wanted.items())


class Outside:
    """The bus and a webhook's receiver."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.called: list[str] = []

    def publish(self, news: Sequence[News]) -> None:
        self.heard += [one.id for one in news]

    def check(self, url: str) -> None:
        """It may be called."""

    def fetch(self, outgoing: Outgoing) -> Answer:
        self.called.append(outgoing.credentials["webhook-id"].get_secret_value())
        return Answer(200, "", b"")


class Deployed:
    """The template's table, and Lambda reading its stream."""

    def __init__(self) -> None:
        self.table, self.outside = DynamoDbTable("isthmus"), Outside()
        self._streams = boto3.client("dynamodbstreams")
        described = boto3.client("dynamodb").describe_table(TableName="isthmus")["Table"]
        self.stream = described["LatestStreamArn"]
        (shard,) = self._streams.describe_stream(StreamArn=self.stream)["StreamDescription"]["Shards"]
        self._next = self._streams.get_shard_iterator(
            StreamArn=self.stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        self.ran: Counter[str] = Counter()

    def records(self) -> list[dict[str, Any]]:
        """What is new in the stream, as Lambda gives it to a function."""
        answer = self._streams.get_records(ShardIterator=self._next)
        self._next = answer["NextShardIterator"]
        return [one | {"eventSource": "aws:dynamodb", "eventSourceARN": self.stream} for one in answer["Records"]]

    def woken(self, records: Iterable[dict[str, Any]], *parts: str) -> dict[str, list[dict[str, Any]]]:
        """Who is woken by which records; with parts of their filters only."""
        found = {}
        for name in FOLLOWING:
            wanted = {part: one for part, one in pattern(name).items() if not parts or part in parts}
            if passing := [one for one in records if fits(wanted, one)]:
                found[name] = passing
        return found

    def wake(self, *parts: str) -> list[str]:
        """Run whoever is woken by what is new; who that was."""
        woken = self.woken(self.records(), *parts)
        for name, records in woken.items():
            FOLLOWING[name](json.loads(json.dumps({"Records": records}, default=str)), None)
            self.ran[name] += 1
        return list(woken)


@pytest.fixture
def deployed(aws: None) -> Iterator[Deployed]:
    said = RESOURCES["Table"]["Properties"]
    names = ("BillingMode", "AttributeDefinitions", "KeySchema")
    client = boto3.client("dynamodb")
    client.create_table(
        TableName="isthmus",
        StreamSpecification={"StreamEnabled": True, **said["StreamSpecification"]},
        **{name: said[name] for name in names},
    )
    made = Deployed()
    made.table._client = OneAtATime(made.table._client)
    outside = {Bus: made.outside, Outbound: made.outside}
    own = {Table: made.table, Clock: SystemClock(), Deployment: Deployment(OWNER)}
    with wiring.replaced(outside | own):
        yield made
    client.delete_table(TableName="isthmus")


def subscribe(table: Table) -> None:
    ada = Caller("did", OWNER, "owner")
    endpoints.create(table, ada, "https://hooks.example.com/", (), start=0, now_ms=1)


def test_an_event_wakes_one_after_the_other_and_then_nobody(deployed: Deployed) -> None:
    subscribe(deployed.table)
    assert deployed.wake() == []

    happen(deployed.table, "tally/a", now_ms=1_000)
    assert deployed.wake() == ["publish_changes"]
    assert (len(deployed.outside.heard), deployed.outside.called) == (1, [])
    assert deployed.wake() == ["deliver"]
    assert len(deployed.outside.called) == 1
    assert deployed.wake() == []


@pytest.mark.parametrize("parts", [(), ("dynamodb",), ("eventName",)])
def test_nobody_is_woken_for_ever_even_by_half_of_its_filter(deployed: Deployed, parts: tuple[str, ...]) -> None:
    subscribe(deployed.table)
    for number in range(3):
        happen(deployed.table, f"tally/{number}", now_ms=1_000 + number)
    rounds = 0
    while deployed.wake(*parts):
        rounds += 1
        assert rounds < ENOUGH

    assert len(set(deployed.outside.called)) == len(set(deployed.outside.heard)) == 3
    assert deployed.ran.keys() == FOLLOWING.keys()


def test_whoever_is_woken_is_told_keys_only(deployed: Deployed) -> None:
    happen(deployed.table, "tally/a", now_ms=1_000)
    told = deployed.woken(deployed.records())["publish_changes"]
    assert [sorted(one["dynamodb"]["Keys"]) for one in told] == [["pk", "sk"]]
    assert not any({"NewImage", "OldImage"} & one["dynamodb"].keys() for one in told)
