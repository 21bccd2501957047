import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from functions.platform.health import GetHealth, health
from infra.local.bitcoind import RegtestNode
from isthmus import wiring
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.failure import Defect, Failure, Precondition, Unavailable
from isthmus.health import ask, worst
from isthmus.ports import BitcoinNode, Blobs, Table
from isthmus.storage.adapters.files import FileBlobs
from isthmus.storage.adapters.sqlite import SqliteTable
from tests.callers import OWNER

SYNCED = {"initialblockdownload": False}
EVENT: dict[str, Any] = {
    "requestContext": {
        "requestId": "one",
        "http": {"method": "GET"},
        "authorizer": OWNER,
    },
}


class Neighbours:
    """The node, the table and the blobs at once; each method answers what its neighbour's `say` gives."""

    def __init__(self, node: Any = SYNCED, table: Any = None, blobs: Any = ()) -> None:
        self.replies = {"node": node, "table": table, "blobs": blobs}

    def _say(self, name: str) -> Any:
        reply = self.replies[name]
        if callable(reply):
            reply = reply()
        if isinstance(reply, Failure):
            raise reply
        return reply

    def call(self, method: str, *params: Any, deadline_s: float = 20.0) -> Any:
        assert method == "getblockchaininfo"
        return self._say("node")

    def get(self, pk: str, sk: str) -> Any:
        return self._say("table")

    def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> Any:
        return self._say("blobs")


def look(**replies: Any) -> Any:
    neighbours = Neighbours(**replies)
    return health.function(GetHealth(), neighbours, neighbours, neighbours)


def down(code: str) -> Unavailable:
    return Unavailable("Nobody answers at hunter2.", next_step="Repeat.", code=code)


def test_when_all_neighbours_answer_the_whole_is_up() -> None:
    report = look()
    assert report.status == "up"
    assert [one.status for one in (report.bitcoin, report.table, report.blobs)] == ["up", "up", "up"]
    assert [one.reason for one in (report.bitcoin, report.table, report.blobs)] == [None, None, None]


@pytest.mark.parametrize("neighbour", ["table", "blobs"])
def test_a_store_that_does_not_answer_is_down_and_takes_the_whole_with_it(neighbour: str) -> None:
    report = look(**{neighbour: down("storage/no-answer")})
    assert report.status == "down"
    assert (getattr(report, neighbour).status, getattr(report, neighbour).reason) == ("down", "storage/no-answer")
    assert report.bitcoin.status == "up"


@pytest.mark.parametrize(
    ("node", "status", "reason"),
    [
        ({"initialblockdownload": True}, "degraded", "bitcoin/syncing"),
        (down("bitcoin/warming-up"), "degraded", "bitcoin/warming-up"),
        (down("bitcoin/node-busy"), "degraded", "bitcoin/node-busy"),
        (down("bitcoin/unreachable"), "down", "bitcoin/unreachable"),
        (down("bitcoin/timeout"), "down", "bitcoin/timeout"),
        (Defect("No.", next_step="No.", code="bitcoin/credentials"), "down", "bitcoin/credentials"),
        (Precondition("No.", next_step="No.", code="bitcoin/not-configured"), "down", "bitcoin/not-configured"),
        (Defect("No.", next_step="No."), "down", "defect"),
        ({}, "down", "bitcoin/undocumented"),
        ("text", "down", "bitcoin/undocumented"),
    ],
)
def test_a_node_that_is_not_ready_is_degraded_and_one_that_is_not_there_is_down(
    node: Any, status: str, reason: str
) -> None:
    report = look(node=node)
    assert (report.bitcoin.status, report.bitcoin.reason) == (status, reason)
    assert report.status == status


def test_one_that_is_down_counts_more_than_one_that_is_degraded() -> None:
    report = look(node=down("bitcoin/warming-up"), table=down("storage/no-answer"))
    assert (report.bitcoin.status, report.table.status, report.status) == ("degraded", "down", "down")


def test_the_answer_is_200_whatever_it_says_and_no_neighbour_is_quoted() -> None:
    neighbours = Neighbours(node=down("bitcoin/unreachable"), table=down("storage/a"), blobs=down("storage/b"))
    with wiring.replaced({BitcoinNode: neighbours, Table: neighbours, Blobs: neighbours}):
        answer = health(EVENT, None)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["status"] == "down"
    assert "hunter2" not in answer["body"]


def test_the_neighbours_are_asked_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=10)

    def met(answer: Any) -> Callable[[], Any]:
        def reply() -> Any:
            together.wait()
            return answer

        return reply

    assert look(node=met(SYNCED), table=met(None), blobs=met(())).status == "up"


def test_a_neighbour_that_never_answers_is_down_at_the_deadline_and_the_others_are_reported() -> None:
    released = threading.Event()

    def hang() -> None:
        released.wait(30)

    found = ask({"slow": hang, "quick": lambda: None}, deadline_s=0.1)
    released.set()
    assert (found["slow"].status, found["slow"].reason) == ("down", "platform/no-answer")
    assert found["quick"].status == "up"
    assert worst(found) == "down"


def test_a_mistake_of_ours_in_a_check_is_not_taken_for_a_neighbour_that_is_down() -> None:
    def mistake() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask({"ours": mistake})


def test_without_neighbours_all_is_well() -> None:
    assert worst(ask({})) == "up"


def test_without_a_configured_node_the_stores_are_reported_all_the_same(tmp_path: Path) -> None:
    table, blobs = SqliteTable(tmp_path / "table.sqlite"), FileBlobs(tmp_path / "blobs")
    report = health.function(GetHealth(), BitcoinCore.from_environment({}), table, blobs)
    assert (report.bitcoin.status, report.bitcoin.reason) == ("down", "bitcoin/not-configured")
    assert (report.table.status, report.blobs.status) == ("up", "up")


@pytest.mark.node
def test_with_a_real_node_and_real_stores_all_is_well_until_the_node_is_stopped(
    fresh_node: Callable[..., RegtestNode], tmp_path: Path
) -> None:
    node = fresh_node(blocks=1)
    environ = {"ISTHMUS_BITCOIN_URL": node.url, "ISTHMUS_BITCOIN_COOKIE": str(node.cookie)}
    bitcoin = BitcoinCore.from_environment(environ)
    table, blobs = SqliteTable(tmp_path / "table.sqlite"), FileBlobs(tmp_path / "blobs")
    assert health.function(GetHealth(), bitcoin, table, blobs).status == "up"
    node.stop()
    report = health.function(GetHealth(), bitcoin, table, blobs)
    assert (report.status, report.bitcoin.status, report.table.status) == ("down", "down", "up")
    assert report.bitcoin.reason == "bitcoin/unreachable"
    bitcoin.close()


@pytest.mark.node
def test_a_real_node_that_still_waits_for_the_chain_is_degraded(
    fresh_node: Callable[..., RegtestNode], tmp_path: Path
) -> None:
    node = fresh_node(options=("-maxtipage=1",))
    environ = {"ISTHMUS_BITCOIN_URL": node.url, "ISTHMUS_BITCOIN_COOKIE": str(node.cookie)}
    bitcoin = BitcoinCore.from_environment(environ)
    report = health.function(
        GetHealth(), bitcoin, SqliteTable(tmp_path / "table.sqlite"), FileBlobs(tmp_path / "blobs")
    )
    assert (report.status, report.bitcoin.reason) == ("degraded", "bitcoin/syncing")
    bitcoin.close()
