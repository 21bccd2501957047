"""The breaker's transitions, row by row, and many processes that share one breaker."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from isthmus.failure import Unavailable
from isthmus.faults.breaker import (
    FIRST_PAUSE_MS,
    LEASE_MS,
    LONGEST_PAUSE_MS,
    OUTAGES,
    PARTITION,
    TRANSITIONS,
    WINDOW_MS,
    Breaker,
    Event,
    State,
    breaker_of,
    step,
)
from isthmus.faults.gate import UNREADABLE_S, Gate
from isthmus.storage.adapters.sqlite import SqliteTable

NOW = 1_800_000_000_000
COUNTING = Breaker(outages=2, since_ms=NOW - 1, version=2)
AT_THE_BRINK = Breaker(outages=OUTAGES - 1, since_ms=NOW - 1, version=4)
OPEN = Breaker("open", since_ms=NOW - 1, until_ms=NOW + 1, pause_ms=4_000, version=5)
PAUSED = Breaker("open", since_ms=NOW - 1, until_ms=NOW, pause_ms=4_000, version=5)
PROBED = Breaker("half-open", since_ms=NOW - 1, until_ms=NOW + 1, pause_ms=4_000, probe="me", version=6)
ABANDONED = Breaker("half-open", since_ms=NOW - 1, until_ms=NOW, pause_ms=4_000, probe="you", version=6)
HELD = Breaker("held", since_ms=NOW - 1, version=7)

MOVES: list[tuple[Breaker, Event, dict[str, Any]]] = [
    (Breaker(), "outage", {"outages": 1, "since_ms": NOW}),
    (COUNTING, "outage", {"outages": 3, "since_ms": NOW - 1}),
    (Breaker(outages=4, since_ms=NOW - WINDOW_MS - 1), "outage", {"outages": 1, "since_ms": NOW}),
    (AT_THE_BRINK, "outage", {"state": "open", "until_ms": NOW + FIRST_PAUSE_MS, "pause_ms": FIRST_PAUSE_MS}),
    (COUNTING, "answer", {"state": "closed", "outages": 0}),
    (COUNTING, "hold", {"state": "held", "since_ms": NOW}),
    (PAUSED, "ask", {"state": "half-open", "until_ms": NOW + LEASE_MS, "probe": "me", "pause_ms": 4_000}),
    (OPEN, "hold", {"state": "held"}),
    (OPEN, "reset", {"state": "closed", "pause_ms": 0}),
    (ABANDONED, "ask", {"state": "half-open", "until_ms": NOW + LEASE_MS, "probe": "me"}),
    (PROBED, "outage", {"state": "open", "until_ms": NOW + 8_000, "pause_ms": 8_000, "probe": ""}),
    (PROBED, "answer", {"state": "closed", "outages": 0, "pause_ms": 0, "probe": ""}),
    (PROBED, "nothing", {"state": "open", "until_ms": NOW, "pause_ms": 4_000, "probe": ""}),
    (PROBED, "hold", {"state": "held", "probe": ""}),
    (PROBED, "reset", {"state": "closed", "probe": ""}),
    (HELD, "reset", {"state": "closed"}),
]

STAYS: list[tuple[Breaker, Event]] = [
    *((Breaker(), event) for event in ("ask", "answer", "nothing", "reset")),
    *((OPEN, event) for event in ("ask", "answer", "outage", "nothing")),
    (PROBED, "ask"),
    *((ABANDONED, event) for event in ("answer", "outage", "nothing")),
    *((HELD, event) for event in ("ask", "answer", "outage", "nothing", "hold")),
]


@pytest.mark.parametrize(("breaker", "event", "becomes"), MOVES)
def test_each_row_of_the_table_moves_the_breaker(breaker: Breaker, event: Event, becomes: dict[str, Any]) -> None:
    after = step(breaker, event, NOW, "me")
    assert {name: getattr(after, name) for name in becomes} == becomes
    assert after.version == breaker.version


@pytest.mark.parametrize(("breaker", "event"), STAYS)
def test_nothing_else_moves_it(breaker: Breaker, event: Event) -> None:
    assert step(breaker, event, NOW, "me") is breaker


def test_every_row_and_every_other_pair_of_state_and_event_is_tried() -> None:
    moved = {(breaker.state, event) for breaker, event, _ in MOVES}
    assert moved == {(row.state, row.event) for row in TRANSITIONS}
    stays = {(breaker.state, event) for breaker, event in STAYS}
    assert moved | stays == set(itertools.product(get_args(State), get_args(Event)))


def test_the_pause_doubles_up_to_its_limit() -> None:
    breaker, pauses = AT_THE_BRINK, []
    now = NOW
    for _ in range(8):
        breaker = step(breaker, "outage", now, "me")
        pauses.append(breaker.pause_ms)
        now = breaker.until_ms
        breaker = step(breaker, "ask", now, "me")
    assert pauses == [1_000, 2_000, 4_000, 8_000, 16_000, LONGEST_PAUSE_MS, LONGEST_PAUSE_MS, LONGEST_PAUSE_MS]


class World:
    """A store and a clock that several processes share."""

    def __init__(self, folder: Path) -> None:
        self.table = SqliteTable(folder / "table.sqlite")
        self.now = NOW
        self.reads = 0

    def gate(self, table: Callable[[], Any] | None = None) -> Gate:
        return Gate(table or self._counted, lambda: self.now, lambda: self.now / 1000, patience_s=10)

    def _counted(self) -> SqliteTable:
        self.reads += 1
        return self.table

    def stored(self) -> Breaker:
        return breaker_of(self.table.get(PARTITION, "node"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_when_all_is_well_nothing_is_written_and_once_a_second_something_read(world: World) -> None:
    gate = world.gate()
    for _ in range(100):
        assert gate.ask("node", "me") is None
        gate.tell("node", "answer", "me")
        world.now += 99
    assert world.stored() == Breaker()
    assert world.reads <= 11


def test_outages_in_a_row_open_it_for_every_process(world: World) -> None:
    one, other = world.gate(), world.gate()
    for _ in range(OUTAGES):
        assert one.ask("node", "me") is None
        one.tell("node", "outage", "me")
    refused = other.ask("node", "you")
    assert isinstance(refused, Unavailable)
    assert (refused.code, refused.retry_after_ms, refused.money_moved) == ("breaker/open", FIRST_PAUSE_MS, "no")


def test_an_answer_between_outages_keeps_it_closed(world: World) -> None:
    gate = world.gate()
    for _ in range(OUTAGES * 2):
        gate.tell("node", "outage", "me")
        gate.tell("node", "outage", "me")
        gate.tell("node", "answer", "me")
    assert gate.ask("node", "me") is None


def test_a_store_that_does_not_answer_stops_nobody_and_is_left_alone_for_a_while(world: World) -> None:
    asked = []

    def gone() -> Any:
        asked.append(world.now)
        raise Unavailable("The store did not answer.", next_step="Wait.")

    gate = world.gate(gone)
    for _ in range(20):
        assert gate.ask("node", "me") is None
        world.now += 1_000
    assert asked == [NOW, NOW + int(UNREADABLE_S * 1000)]


class Processes(RuleBasedStateMachine):
    """Some processes, each with its own stale view, ask and tell as they like; time passes; probes die."""

    folders: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.folders("breaker"))
        self.gates = [self.world.gate() for _ in range(4)]
        self.through: dict[str, tuple[int, str]] = {}
        self.names = itertools.count()
        self.leases: list[tuple[int, str]] = []

    @rule(process=st.integers(0, 3))
    def ask(self, process: int) -> None:
        who = f"r{next(self.names)}"
        if self.gates[process].ask("node", who) is None:
            state = self.world.stored()
            self.through[who] = (process, state.state)
            if state.state == "half-open" and state.probe == who:
                self.leases.append((self.world.now, who))

    @precondition(lambda self: self.through)
    @rule(data=st.data(), event=st.sampled_from(["answer", "outage", "outage", "nothing"]))
    def end(self, data: st.DataObject, event: Event) -> None:
        who = data.draw(st.sampled_from(sorted(self.through)))
        process, _ = self.through.pop(who)
        self.gates[process].tell("node", event, who)
        self.leases = [(since, probe) for since, probe in self.leases if probe != who]

    @rule(ms=st.sampled_from([10, 999, 1_000, 5_000, LEASE_MS]))
    def wait(self, ms: int) -> None:
        self.world.now += ms

    @rule(process=st.integers(0, 3))
    def storm(self, process: int) -> None:
        for _ in range(OUTAGES):
            self.gates[process].tell("node", "outage", "storm")

    @invariant()
    def no_two_probes_at_once(self) -> None:
        alive = [who for since, who in self.leases if self.world.now < since + LEASE_MS]
        assert len(alive) <= 1

    @invariant()
    def a_breaker_is_never_stuck(self) -> None:
        stored = self.world.stored()
        assert stored.state == "closed" or stored.until_ms - self.world.now <= LEASE_MS


def test_there_is_never_more_than_one_probe(tmp_path_factory: pytest.TempPathFactory) -> None:
    Processes.folders = staticmethod(tmp_path_factory.mktemp)
    Processes.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
    Processes.TestCase("runTest").runTest()


def test_of_many_processes_that_want_to_probe_at_the_same_moment_one_does(
    world: World, at_the_same_time: Callable[..., list[Any]]
) -> None:
    world.table.put(PARTITION, "node", PAUSED.item())
    gates = [world.gate() for _ in range(16)]
    for gate in gates:
        gate._known("node")
    refusals = at_the_same_time(16, lambda number: gates[number].ask("node", f"r{number}"))
    assert refusals.count(None) == 1
