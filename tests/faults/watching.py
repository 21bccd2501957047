"""The life of two watches of one transaction, under a schedule of faults, or with somebody who comes in between.

Invariants, after everything has settled down:

W1  each watch was told what happened, in order, each thing once: what it is told without a fault.
W2  what it was told is what the chain says.
W3  nothing was told after a watch was taken back.
W4  what is buried is looked for no more.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from functions.bitcoin.unwatch import unwatch
from functions.bitcoin.watch import watch
from isthmus.failure import Failure
from tests.faults.calls import ADDRESS
from tests.faults.chain_node import Watching, watching
from tests.faults.world import Crash, Schedule, World

MOST_TRIES = 12
COIN = [("f" * 64, 9)]
PAID = hashlib.sha256(b"paid").hexdigest()

Told = dict[str, list[tuple[str, str]]]
"""By watch: types of events, each with the block that it names."""


class Visited(World):
    """Where somebody comes before a certain call."""

    before_call = -1
    somebody: Callable[[], object] | None = None

    def fault(self, name: str, kinds: tuple[str, ...]) -> str:
        """The fault of this call, after the visit."""
        if not self.calm and len(self.calls) == self.before_call and self.somebody is not None:
            visitor, self.somebody = self.somebody, None
            self.calm = True
            visitor()
            self.calm = False
        return super().fault(name, kinds)


@dataclass
class WatchTrial:
    """What came of it."""

    here: Watching
    told: Told = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    @property
    def world(self) -> World:
        return self.here.world


def life(here: Watching) -> Told:
    """Both watches through everything that can become of a transaction; what they are told."""
    node = here.node
    txid = node.send("paid", pays=[(ADDRESS, 500)], spends=COIN)
    wanted = [{"address": ADDRESS}, {"txid": txid}]
    ids = [insist(here, partial(_watched, here, wish)) for wish in wanted]

    def step(change: Callable[[], object]) -> None:
        change()
        insist(here, here.look)

    def again() -> None:
        node.undo(1)
        node.send("paid", pays=[(ADDRESS, 500)], spends=COIN)
        node.mine(1)

    def elsewhere() -> None:
        node.undo(1)
        node.mine(2)

    step(lambda: None)
    step(lambda: node.mine(1))
    step(elsewhere)
    step(lambda: node.undo(2))
    step(lambda: node.send("other", spends=COIN))
    step(lambda: node.mine(1))
    for one in ids:
        insist(here, partial(_gone, here, one))
    step(again)
    for wish in wanted:
        insist(here, partial(_watched, here, wish))
    step(lambda: node.mine(5))
    step(lambda: node.mine(101))
    step(lambda: None)
    here.world.settle_down()
    return {one: _told(here, one, txid) for one in ids}


def trial(
    schedule: Schedule,
    expected: Told | None = None,
    world: World | None = None,
    visit: tuple[int, Callable[[Watching], object]] | None = None,
) -> WatchTrial:
    """One run; compared with what was told without a fault, if that is given.

    Args:
        schedule: of faults.
        expected: what both watches are to be told.
        world: another than one with just these faults.
        visit: before which call who comes.
    """
    with watching(world or World(schedule)) as here:
        if isinstance(world, Visited) and visit is not None:
            world.before_call, world.somebody = visit[0], lambda: visit[1](here)
        told = life(here)
        here.look()
        here.look()
        run = WatchTrial(here, {one: _told(here, one, PAID) for one in told})
        if run.told != (expected or told):
            run.broken.append(f"W1 {run.told}")
        run.broken += [f"W2 {one}" for one in run.told.values() if not _consistent(one) or one[-1][0] != "settled"]
        if here.table.query("bitcoin/sought").rows or here.table.query("bitcoin/live/isthmus.main._watches").rows:
            run.broken.append("W4")
    return run


def insist(here: Watching, act: Callable[[], str | int]) -> str:
    """Do it until it is done, as a schedule or a client does."""
    for _ in range(MOST_TRIES):
        try:
            return str(act())
        except (Failure, Crash):
            here.ms += 1_000
    raise AssertionError("it is never done")


def _watched(here: Watching, wanted: dict[str, str]) -> str:
    status, body, _ = here.call(watch, wanted)
    if status != 201:
        raise Crash
    return str(body["watch_id"])


def _gone(here: Watching, watch_id: str) -> int:
    status, _, _ = here.call(unwatch, {"watch_id": watch_id})
    if status not in (200, 404):
        raise Crash
    return status


def _told(here: Watching, watch_id: str, txid: str) -> list[tuple[str, str]]:
    return [(one.type, one.data.get("block_hash", "")) for one in here.history(watch_id, txid)]


def _consistent(events: list[tuple[str, str]]) -> bool:
    """Whether no block is confirmed twice in a row, or left without having been in it."""
    block = ""
    for kind, named in events:
        if kind == "confirmed" and block:
            return False
        if kind in ("reorged", "settled") and not block:
            return False
        block = named if kind == "confirmed" else block if kind == "settled" else ""
    return True
