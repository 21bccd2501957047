"""A small world in which everything can go wrong: a store and a node whose every call may be lost, late or doubled.

A schedule says at which call which fault happens. The store here and the node (tests.faults.node) are models, small
enough to be read; the code between them, ledger and connector, is the real one.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from isthmus.failure import Conflict, Failure, Unavailable
from isthmus.storage.limits import check_transaction
from isthmus.storage.table import Absent, Check, Delete, Equals, Item, Page, Put, Row, Write

READ_FAULTS = ("crash", "lost")
WRITE_FAULTS = ("crash", "crash-after", "lost", "lost-answer", "delayed")
SEND_FAULTS = (*WRITE_FAULTS, "duplicated", "wrong-shape")
NODE_READ_FAULTS = (*READ_FAULTS, "wrong-shape")

SHAPES: tuple[Any, ...] = ({"nonsense": True}, None, [], "nonsense", [None], 7, {}, [{"nonsense": True}])
"""What a neighbour may answer that is not what it documents."""

Schedule = Mapping[int, str]


class Crash(BaseException):
    """The process is gone."""


@dataclass
class World:
    """What happens when: a schedule, and which calls were made.

    Args:
        schedule: which fault at which call.
        delay: after how many calls what was delayed arrives; None: when the world settles down.
    """

    schedule: Schedule
    delay: int | None = None
    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    late: list[tuple[int, Callable[[], Any]]] = field(default_factory=list)
    calm: bool = False

    def fault(self, name: str, kinds: tuple[str, ...]) -> str:
        """The fault of this call, or nothing."""
        if self.calm:
            return ""
        if self.delay is not None:
            self._arrive(len(self.calls) - self.delay)
        self.calls.append((name, kinds))
        return self.schedule.get(len(self.calls) - 1, "")

    def around(self, name: str, kinds: tuple[str, ...], lost: Callable[[], Exception], act: Callable[[], Any]) -> Any:
        """Do what the call does, with its fault."""
        fault = self.fault(name, kinds)
        if fault == "crash":
            raise Crash
        if fault == "lost":
            raise lost()
        if fault == "wrong-shape" and kinds is NODE_READ_FAULTS:
            return self._nonsense()
        if fault == "delayed":
            self.late.append((len(self.calls), act))
            raise lost()
        result = act()
        if fault == "crash-after":
            raise Crash
        if fault == "lost-answer":
            raise lost()
        if fault == "duplicated":
            with suppress(Failure):
                act()
        return self._nonsense() if fault == "wrong-shape" else result

    def settle_down(self) -> None:
        """What was delayed arrives; nothing goes wrong any more."""
        self.calm = True
        self._arrive(sys.maxsize)

    def _arrive(self, until: int) -> None:
        """What was sent so many calls ago, or before."""
        due = [act for sent, act in self.late if sent <= until]
        self.late = [one for one in self.late if one[0] > until]
        for act in due:
            with suppress(Failure):
                act()

    def _nonsense(self) -> Any:
        """By the faults so far, so that every call has every shape in some schedule."""
        return SHAPES[sum(index for index in self.schedule if index < len(self.calls)) % len(SHAPES)]


class MemoryTable:
    """The Table port in memory, with the conditions of the real ones; `world` may break every call."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.items: dict[tuple[str, str], str] = {}

    def get(self, pk: str, sk: str) -> Item | None:
        return self.world.around("get " + pk, READ_FAULTS, _store_lost, lambda: self._item(pk, sk))

    def query(
        self, pk: str, *, prefix: str = "", after: str | None = None, limit: int = 100, reverse: bool = False
    ) -> Page:
        def read() -> Page:
            keys = sorted(sk for one, sk in self.items if one == pk and sk.startswith(prefix) and sk > (after or ""))
            rows = tuple(Row(sk, json.loads(self.items[pk, sk])) for sk in keys[:limit])
            return Page(rows, rows[-1].sk if len(keys) > limit else None)

        assert not reverse
        return self.world.around("query " + pk, READ_FAULTS, _store_lost, read)

    def put(self, pk: str, sk: str, item: Item, *, when: Any = None) -> None:
        self.transact([Put(pk, sk, item, when)])

    def delete(self, pk: str, sk: str, *, when: Any = None) -> None:
        self.transact([Delete(pk, sk, when)])

    def transact(self, writes: Sequence[Write]) -> None:
        check_transaction(writes)
        asked = [(write, json.dumps(write.item) if isinstance(write, Put) else "") for write in writes]
        self.world.around("transact", WRITE_FAULTS, _store_lost, lambda: self._apply(asked))

    def _item(self, pk: str, sk: str) -> Item | None:
        found = self.items.get((pk, sk))
        return None if found is None else json.loads(found)

    def _apply(self, writes: Sequence[tuple[Write, str]]) -> None:
        for write, _ in writes:
            item = self._item(write.pk, write.sk) if write.when else None
            match write.when:
                case Absent() if item is not None:
                    raise _condition()
                case Equals(attribute, value) if item is None or item.get(attribute) != value:
                    raise _condition()
        for write, text in writes:
            if isinstance(write, Put):
                self.items[write.pk, write.sk] = text
            elif not isinstance(write, Check):
                self.items.pop((write.pk, write.sk), None)


def schedules(run: Callable[[Schedule], World], *, faults: int, at_most: int) -> Iterator[tuple[Schedule, World]]:
    """Every schedule of up to so many faults that is reached, fewest faults first; each with the world it ran in.

    Where they are more than may be run, evenly chosen ones: a quarter of them of the most faults.
    """
    level: list[dict[int, str]] = [{}]
    ran = 0
    for depth in range(faults + 1):
        following: list[dict[int, str]] = []
        room = at_most - ran
        for schedule in _evenly(level, room if depth in (1, faults) else room * 3 // 4):
            world = run(schedule)
            ran += 1
            yield schedule, world
            if depth < faults:
                first = max(schedule, default=-1) + 1
                following += [
                    schedule | {index: kind}
                    for index, (_, kinds) in enumerate(world.calls[first:], first)
                    for kind in kinds
                ]
        level = following


def _evenly(level: list[dict[int, str]], number: int) -> list[dict[int, str]]:
    if len(level) <= number:
        return level
    return [level[index * len(level) // number] for index in range(number)]


def _store_lost() -> Exception:
    return Unavailable("The store did not answer.", next_step="Repeat.", code="test/store")


def _condition() -> Exception:
    return Conflict("A condition does not hold.", next_step="Read again.", code="test/condition")
