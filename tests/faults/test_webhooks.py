"""Webhooks under every schedule of faults: each event reaches the endpoint, always as the same message.

W1 every event was received; W2 each under one id with one body; W3 there is one delivery for each, and it is delivered;
W4 nothing is due any more.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import pytest

from isthmus import feed
from isthmus.access.caller import Caller
from isthmus.failure import Failure, Unavailable
from isthmus.outbound import Answer, Outgoing
from isthmus.webhooks import deliveries, endpoints, sending
from isthmus.webhooks.deliveries import DUE
from isthmus.webhooks.endpoints import Endpoint
from isthmus.webhooks.sending import Round
from tests.faults.feed import happen
from tests.faults.world import WRITE_FAULTS, Crash, MemoryTable, Schedule, World, schedules

EVENTS = 3
MOST = 1_000
"""Of the 5,545 schedules that there are: all of one fault, and of two faults one in six."""


class InTurn:
    """A pool that does one thing after the other, so that a schedule means the same each time."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nobody is left to wait for."""

    def map(self, call: Any, rows: Iterable[Any]) -> Iterator[Any]:
        return map(call, rows)


@dataclass
class ModelEndpoint:
    """Whoever is called: what has reached it."""

    world: World
    got: list[tuple[str, bytes]] = field(default_factory=list)

    def check(self, url: str) -> None:
        """It may be called."""

    def fetch(self, outgoing: Outgoing) -> Answer:
        def take() -> Answer:
            self.got.append((outgoing.credentials["webhook-id"].get_secret_value(), outgoing.body))
            return Answer(200, "", b"")

        answer: Answer = self.world.around("fetch", WRITE_FAULTS, _lost, take)
        return answer


@dataclass
class WebhookTrial:
    """One run: three events on their way to one endpoint."""

    world: World
    table: MemoryTable
    outbound: ModelEndpoint
    endpoint: Endpoint
    ms: int = 1_000_000
    broken: list[str] = field(default_factory=list)

    def now_ms(self) -> int:
        return self.ms

    def once(self) -> None:
        """One start of the schedule, which may crash and is simply started again a minute later."""
        self.ms += 60_000
        with suppress(Crash, Failure):
            deliveries.make(self.table, self.endpoint, self.ms, lambda: True)
            Round(self.table, self.outbound, self, lambda: True).run()


def webhook_trial(schedule: Schedule) -> WebhookTrial:
    world = World(schedule, calm=True)
    table = MemoryTable(world)
    ada = Caller("did", "did:key:zAda", "owner")
    made = endpoints.create(table, ada, "https://hooks.example.com/", (), start=0, now_ms=1)
    run = WebhookTrial(world, table, ModelEndpoint(world), made)
    for number in range(EVENTS):
        world.calm = True
        happen(table, f"tally/{number % 2}")
        feed.relay(table, lambda: True)
        world.calm = False
        run.once()
    world.settle_down()
    for _ in range(10):
        run.ms += 600_000
        run.once()
    judge(run)
    return run


def judge(run: WebhookTrial) -> None:
    fed = feed.read(run.table, after=0)
    wanted = {f"evt_{one.id[:32]}" for one in fed}
    if {message for message, _ in run.outbound.got} != wanted:
        run.broken.append("W1 not everything was received")
    if len(set(run.outbound.got)) != len(wanted):
        run.broken.append("W2 one message in two forms")
    made = run.table.query(f"webhooks/deliveries/{run.endpoint.endpoint_id}").rows
    if [row.item["status"] for row in made] != ["delivered"] * EVENTS:
        run.broken.append("W3 a delivery is missing, or not delivered")
    if run.table.query(DUE).rows:
        run.broken.append("W4 something is still due")


@pytest.fixture(autouse=True)
def in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "ThreadPoolExecutor", InTurn)
    monkeypatch.setattr(deliveries, "uniform", lambda least, most: least)


def violations(*, faults: int) -> tuple[list[Any], list[WebhookTrial]]:
    runs: list[WebhookTrial] = []

    def run(schedule: Schedule) -> World:
        runs.append(webhook_trial(schedule))
        return runs[-1].world

    broken = [
        (dict(schedule), runs[-1].broken)
        for schedule, _ in schedules(run, faults=faults, at_most=MOST)
        if runs[-1].broken
    ]
    return broken, runs


def test_without_a_fault_each_event_is_sent_once() -> None:
    run = webhook_trial({})
    assert (run.broken, len(run.outbound.got)) == ([], EVENTS)


def test_no_schedule_of_two_faults_keeps_an_event_from_its_endpoint() -> None:
    broken, runs = violations(faults=2)

    assert broken == []
    assert len(runs) == MOST


def test_the_invariants_notice_progress_that_is_written_before_the_deliveries(monkeypatch: pytest.MonkeyPatch) -> None:
    right = MemoryTable.transact

    def torn(self: MemoryTable, writes: Any) -> None:
        if writes and writes[0].pk == endpoints.PROGRESS:
            right(self, writes[:1])
            writes = writes[1:]
        if writes:
            right(self, writes)

    monkeypatch.setattr(MemoryTable, "transact", torn)
    assert violations(faults=1)[0]


def test_the_invariants_notice_what_is_taken_off_the_queue_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    right = deliveries.claim

    def careless(table: Any, endpoint: Any, delivery_id: str, due_key: str, now_ms: int) -> Any:
        found = right(table, endpoint, delivery_id, due_key, now_ms)
        for row in table.query(DUE).rows:
            table.delete(DUE, row.sk)
        return found

    monkeypatch.setattr(deliveries, "claim", careless)
    assert violations(faults=1)[0]


def _lost() -> Exception:
    return Unavailable("No answer.", next_step="Repeat.", code="outbound/timeout")
