"""Watches under schedules of faults and beside everybody else: nothing is lost, nothing told twice or falsely."""

import hashlib
from collections.abc import Callable, Iterator
from itertools import count
from random import Random

import pytest

from isthmus.bitcoin import chain, following, listing, watched_txids
from isthmus.bitcoin.watches import Subject
from isthmus.storage.table import Check, Equals
from tests.faults.calls import ADDRESS
from tests.faults.chain_node import Watching, watching
from tests.faults.watching import PAID, Visited, WatchTrial, trial
from tests.faults.world import Schedule, World

MOST = 240
"""Of the 1,922 schedules of one fault, and of the millions of two."""

Visit = Callable[[Watching], object]


@pytest.fixture(scope="module")
def plain() -> WatchTrial:
    """When nothing goes wrong."""
    return trial({})


def test_without_a_fault_each_watch_is_told_everything_once(plain: WatchTrial) -> None:
    by_address, by_txid = plain.told.values()
    begin = ["seen", "confirmed", "reorged", "confirmed", "reorged", "seen", "dropped"]

    assert [kind for kind, _ in by_address] == [*begin, "conflicted", "confirmed", "settled"]
    assert [kind for kind, _ in by_txid] == [*begin, "confirmed", "settled"]


@pytest.mark.parametrize("faults", [1, 2])
@pytest.mark.parametrize("delay", [None, 5])
def test_no_schedule_of_faults_loses_doubles_or_invents_an_event(
    plain: WatchTrial, faults: int, delay: int | None
) -> None:
    broken = []
    for schedule in sampled(plain.world, faults, MOST // 4):
        run = trial(schedule, plain.told, World(schedule, delay))
        broken += [(schedule, run.broken)] if run.broken else []
    assert broken == []


def test_another_run_between_any_two_calls_changes_nothing(plain: WatchTrial) -> None:
    calls = range(3, len(plain.world.calls), 11)
    runs = [trial({}, plain.told, Visited({}), (at, Watching.look)) for at in calls]
    assert [run.broken for run in runs if run.broken] == []


def mined(here: Watching) -> None:
    here.node.mine(1)


def mined_and_seen(here: Watching) -> None:
    here.node.mine(1)
    here.look()


def undone(here: Watching) -> None:
    here.node.undo(1)


def undone_and_seen(here: Watching) -> None:
    here.node.undo(1)
    here.look()


def watched_by_another(here: Watching) -> None:
    here.made(here.owner("other"), txid=PAID)
    here.made(here.owner("other"), address=ADDRESS)


def nothing(here: Watching) -> None:
    """Whoever was expected stays away."""


CONFIRMED = ("seen", "confirmed")
WAITING = (*CONFIRMED, "reorged", "seen")
CASES: list[tuple[int, Visit, Visit, set[tuple[str, ...]]]] = [
    (0, nothing, mined, {CONFIRMED}),
    (0, nothing, mined_and_seen, {CONFIRMED}),
    (1, nothing, undone, {WAITING}),
    (1, nothing, undone_and_seen, {WAITING}),
    (1, nothing, watched_by_another, {CONFIRMED}),
    (1, undone, mined_and_seen, {(*CONFIRMED, "reorged", "confirmed"), (*WAITING, "confirmed")}),
]


@pytest.mark.parametrize(("depth", "before", "visit", "allowed"), CASES)
def test_whatever_moves_between_two_calls_of_a_run_nothing_false_is_told(
    depth: int, before: Visit, visit: Visit, allowed: set[tuple[str, ...]]
) -> None:
    assert set(visited(depth, before, visit)) == allowed


def test_a_txid_that_is_watched_and_mined_during_a_run_is_found_by_a_later_one() -> None:
    late = hashlib.sha256(b"late").hexdigest()
    told: list[list[str]] = []

    def watched_and_mined(here: Watching) -> None:
        here.made(here.owner("other"), txid=late)
        here.node.send("late")
        here.node.mine(9)

    def read(here: Watching) -> None:
        watch_id = Subject("txid", late).watch_id("other")
        told.append(here.events(watch_id, late, "other"))

    assert list(visited(1, nothing, watched_and_mined, read))
    assert {tuple(one) for one in told} == {("confirmed", "settled")}


@pytest.mark.parametrize("runs", [0, 1])
def test_what_happened_before_is_told_also_when_it_is_asked_for_during_a_run(runs: int) -> None:
    for at in count():
        world = Visited({})
        world.calm = True
        with watching(world) as here:
            txid = here.node.send("paid", pays=[(ADDRESS, 500)])
            here.node.mine(300)
            here.watch(descriptor="raw(51)")
            for _ in range(runs):
                here.look()
            made: list[str] = []
            world.calm, world.before_call = False, at
            world.somebody = lambda here=here, made=made: made.append(here.watch(address=ADDRESS, since_s=0))
            here.look()
            if world.somebody is not None:
                break
            world.calm = True
            here.look()
            here.look()
            assert here.events(made[0], txid) == ["confirmed", "settled"]
    assert at > 7


@pytest.mark.parametrize(
    "bug",
    [
        (following.Turn, "lasts", property(lambda _: Check("always", "there", Equals("is", value=True)))),
        (listing, "still", lambda *_: True),
        (watched_txids, "still", lambda *_: True),
    ],
    ids=["nobody's turn ends", "a wallet's transactions never move", "txids never move"],
)
def test_the_visits_notice(bug: tuple[object, str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*bug)
    wrong = [set(visited(depth, before, visit)) - allowed for depth, before, visit, allowed in CASES]
    assert any(wrong)


def visited(depth: int, before: Visit, visit: Visit, after: Visit = nothing) -> Iterator[tuple[str, ...]]:
    """What two watches are told of a transaction so deep when somebody comes before each call of a run in turn."""
    for at in count():
        world = Visited({})
        world.calm = True
        with watching(world) as here:
            here.table.put("always", "there", {"is": True})
            watched = [here.watch(address=ADDRESS), here.watch(txid=here.node.send("paid", pays=[(ADDRESS, 500)]))]
            here.look()
            here.node.mine(depth)
            if depth:
                here.look()
            before(here)
            world.calm, world.before_call, world.somebody = False, at, lambda here=here: visit(here)
            here.look()
            if world.somebody is not None:
                return
            world.calm = True
            here.look()
            here.look()
            after(here)
            yield from [tuple(here.events(one, PAID)) for one in watched]


def sampled(world: World, faults: int, number: int) -> Iterator[Schedule]:
    """Schedules of so many faults, always the same ones."""
    random = Random(faults)
    for _ in range(number):
        places = sorted(random.sample(range(len(world.calls)), faults))
        yield {place: random.choice(world.calls[place][1]) for place in places}


def test_the_tip_is_only_still_when_the_mempool_is_whole() -> None:
    with watching() as here:
        last = chain.tip(here.node)
        assert chain.still(here.node, last)
        here.node.loaded = False
        assert not chain.still(here.node, last)
