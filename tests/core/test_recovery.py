"""What the control flow does when a neighbour does not answer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina

from isthmus import recovery, wiring
from isthmus.bitcoin import codes
from isthmus.failure import Defect, Failure, Invalid, NotFound, Unavailable, Unknown, Upstream
from isthmus.faults import gate
from isthmus.faults.breaker import OUTAGES, PARTITION, Breaker, breaker_of, step
from isthmus.fields import Request, Response
from isthmus.operation import Effect, Operation, operation
from isthmus.ports import BitcoinNode, Table
from isthmus.storage.adapters.sqlite import SqliteTable
from tests.callers import OWNER

NEIGHBOURS = ("bitcoin",)


class Ask(Request):
    """Nothing but a millisatoshi, if it is spent."""

    def spends_msat(self) -> int:
        return 1


class Told(Response):
    blocks: int


def count_blocks(request: Ask, node: BitcoinNode) -> Told:
    """Count blocks."""
    return Told(blocks=node.call("getblockcount"))


count_blocks.__module__ = "functions.test.count_blocks"


def pay_block(request: Ask) -> Told:
    """Pay."""
    return Told(blocks=0)


pay_block.__module__ = "functions.test.pay_block"


class Node:
    """Answers what it is told to, one after the other, and the last for ever."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), 0

    def call(self, method: str, *params: Any, deadline_s: float = 20.0) -> Any:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def gone() -> Failure:
    return codes.of_transport("getblockcount", "refused", sent=False)


def warming_up() -> Failure:
    return codes.of_rpc("getblockcount", -28)


@pytest.fixture(autouse=True)
def without_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=recovery.TRIES):
        yield


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteTable]:
    """A store for breakers, and a process that knows nothing yet."""
    monkeypatch.setenv("ISTHMUS_HOME", str(tmp_path))
    gate._gate.cache_clear()
    table = SqliteTable(tmp_path / "table.sqlite")
    with wiring.replaced({Table: table}):
        yield table
    gate._gate.cache_clear()


HTTP = {
    "version": "2.0",
    "headers": {"content-type": "application/json"},
    "requestContext": {
        "requestId": "one",
        "http": {"method": "GET", "path": "/v1/blocks"},
        "authorizer": OWNER,
    },
}
TASK = {"execution": "arn:execution", "request": {}}


def declared(**more: Any) -> Operation:
    return operation("GET /v1/blocks", effect=Effect.READ, **more)(count_blocks)


def asked(node: Node, one: Operation | None = None) -> Any:
    with wiring.replaced({BitcoinNode: node}):
        answer = (one or declared())(HTTP, None)
    return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


def test_a_read_is_tried_three_times() -> None:
    node = Node(gone(), gone(), 7)
    assert asked(node)[:2] == (200, {"blocks": 7})
    assert node.asked == 3


def test_after_the_third_time_the_caller_is_told() -> None:
    node = Node(gone())
    status, problem, _ = asked(node)
    assert (status, problem["type"], node.asked) == (503, "/problems/unavailable/bitcoin/unreachable", 3)


@pytest.mark.parametrize("effect", [Effect.CHANGE, Effect.SPEND])
def test_what_is_no_read_is_tried_once(effect: Effect) -> None:
    node = Node(gone(), 7)
    with wiring.replaced({BitcoinNode: node}), pytest.raises(Unavailable):
        operation(effect=effect)(count_blocks)(TASK, None)
    assert node.asked == 1


def test_a_state_machine_repeats_by_itself() -> None:
    node = Node(gone(), 7)
    with wiring.replaced({BitcoinNode: node}), pytest.raises(Unavailable):
        declared()(TASK, None)
    assert node.asked == 1


def test_a_function_without_the_time_for_a_second_try_makes_none() -> None:
    node = Node(gone(), 7)
    assert asked(node, declared(timeout_s=20))[0] == 503
    assert node.asked == 1


@pytest.mark.parametrize(
    "failure",
    [
        NotFound("There is none.", next_step="Ask for another.", code="bitcoin/no-block"),
        codes.failure(codes.TRANSPORT["oversize"]),
        codes.failure(codes.UNDOCUMENTED),
        Unavailable("The store did not answer.", next_step="Wait.", upstream=Upstream("dynamodb", "x")),
        Unavailable("Later.", next_step="Wait.", code="bitcoin/timeout", retry_after_ms=10_000),
        Unavailable("Open.", next_step="Wait.", code="breaker/open", retry_after_ms=1),
        Defect("Wrong.", next_step="Report it.", code="bitcoin/request"),
    ],
    ids=lambda one: one.code or "store",
)
def test_what_a_repetition_does_not_mend_is_not_repeated(failure: Failure) -> None:
    node = Node(failure, 7)
    asked(node)
    assert node.asked == 1


def test_a_neighbour_that_says_when_to_come_back_is_asked_again_then() -> None:
    node = Node(warming_up(), 7)
    assert asked(node)[0] == 200
    early = Unavailable("Later.", next_step="Wait.", code="bitcoin/x", retry_after_ms=2_000)
    assert recovery._wait(early, NEIGHBOURS, recovery.time.monotonic() + 3) == 2.0
    assert recovery._wait(early, NEIGHBOURS, recovery.time.monotonic() + 1) is False


@pytest.mark.parametrize(
    ("failure", "event"),
    [
        (gone(), "outage"),
        (codes.of_transport("getblock", "timeout", sent=True), "outage"),
        (codes.of_http("getblock", 500), "outage"),
        (codes.of_http("getblock", 503), "answer"),
        (warming_up(), "answer"),
        (codes.of_rpc("getblock", -5), "answer"),
        (codes.of_rpc("getblock", -10), "answer"),
        (codes.failure(codes.NOT_A_HASH), "nothing"),
        (codes.of_transport("sendrawtransaction", "cut", sent=True), "nothing"),
        (Unavailable("The store did not answer.", next_step="Wait.", code="storage/unavailable"), "nothing"),
        (Invalid("No.", next_step="Change it."), "nothing"),
        (Unknown("Lost.", next_step="Look.", code="lightning/lost"), "nothing"),
        (None, "nothing"),
    ],
)
def test_what_a_failure_says_of_the_neighbour(failure: Failure | None, event: str) -> None:
    assert recovery.heard(failure, "bitcoin") == event


def test_after_outages_in_a_row_the_neighbour_is_left_alone(table: SqliteTable) -> None:
    node = Node(gone())
    for _ in range(OUTAGES):
        assert asked(node)[0] == 503
    before = node.asked

    status, problem, headers = asked(node)

    assert (status, problem["type"]) == (503, "/problems/unavailable/breaker/open")
    assert problem["money_moved"] == "no"
    assert 0 < problem["retry_after_ms"] <= 1_000
    assert headers["retry-after"] == "1"
    assert node.asked == before


def test_a_task_learns_of_an_open_breaker_from_its_port_so_that_it_can_write_the_reason_down(
    table: SqliteTable,
) -> None:
    opened(table)
    node = Node(7)
    with wiring.replaced({BitcoinNode: node}), pytest.raises(Unavailable) as refused:
        declared()(TASK, None)
    assert refused.value.code == "breaker/open"
    assert refused.value.__traceback__ is not None
    assert node.asked == 0


def test_the_probe_closes_it(table: SqliteTable) -> None:
    opened(table, pause_over=True)
    assert asked(Node(7))[0] == 200
    assert stored(table).state == "closed"


def test_a_probe_in_vain_makes_the_pause_longer(table: SqliteTable) -> None:
    opened(table, pause_over=True)
    assert asked(Node(gone()))[0] == 503
    assert (stored(table).state, stored(table).pause_ms) == ("open", 2_000)


def test_a_probe_that_did_not_ask_the_neighbour_leaves_the_probing_to_the_next(table: SqliteTable) -> None:
    opened(table, pause_over=True)
    assert asked(Node(ZeroDivisionError()))[0] == 500
    assert stored(table).state == "open"
    assert asked(Node(7))[0] == 200


def test_what_diagnoses_asks_all_the_same(table: SqliteTable) -> None:
    opened(table)
    assert asked(Node(7), declared(guarded=False))[0] == 200
    assert stored(table).state == "open"


def test_the_brake_stops_what_spends_in_its_domain_and_nothing_else(table: SqliteTable) -> None:
    held = step(Breaker(), "hold", 1)
    table.put(PARTITION, "spend:test", held.item())
    pay = operation(effect=Effect.SPEND)(pay_block)
    with pytest.raises(Unavailable) as refused:
        pay(TASK, None)
    assert (refused.value.code, refused.value.retry_after_ms) == ("breaker/held", None)
    assert asked(Node(7))[0] == 200
    table.put(PARTITION, "spend:test", step(held, "reset", 2).item())
    gate._gate.cache_clear()
    assert pay(TASK, None) == {"blocks": 0}


def opened(table: SqliteTable, *, pause_over: bool = False) -> None:
    far = 0 if pause_over else 10**15
    table.put(PARTITION, "bitcoin", Breaker("open", since_ms=1, until_ms=far, pause_ms=1_000).item())


def stored(table: SqliteTable) -> Breaker:
    return breaker_of(table.get(PARTITION, "bitcoin"))
