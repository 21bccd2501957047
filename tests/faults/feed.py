"""The relay under one schedule of faults, and the invariants of the feed.

F1 every event is in the feed, once; F2 the numbers have no gap; F3 of each aggregate in the order of its versions; F4
whoever follows the feed while it grows sees what is in it at the end; F5 nothing stays in the outbox; F6 the bus is
told every event, the first time in the feed's order, and always under the same id.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from isthmus import feed, journal
from isthmus.failure import Failure, Unavailable
from isthmus.journal import START, Lifecycle
from isthmus.ports import News
from isthmus.storage.table import Item, Page, Write
from tests.faults.world import WRITE_FAULTS, Crash, MemoryTable, Schedule, World

TALLY = Lifecycle("tally", {(START, "begun"): "counting", ("counting", "counted"): "counting"})
NAMES = ("tally/a", "tally/b", "tally/c")
PASSES = 3


@dataclass
class ModelBus:
    """What was published, in order."""

    world: World
    heard: list[News] = field(default_factory=list)

    def publish(self, news: Sequence[News]) -> None:
        self.world.around("publish", WRITE_FAULTS, _lost, lambda: self.heard.extend(news))


class BusyTable(MemoryTable):
    """A table on which somebody does something of their own before one of the relay's calls."""

    def __init__(self, world: World, before_call: int, somebody: Callable[[MemoryTable], None] | None) -> None:
        super().__init__(world)
        self.calls = 0
        self._before_call, self._somebody = before_call, somebody

    def get(self, pk: str, sk: str) -> Item | None:
        self._meet()
        return super().get(pk, sk)

    def query(
        self, pk: str, *, prefix: str = "", after: str | None = None, limit: int = 100, reverse: bool = False
    ) -> Page:
        self._meet()
        return super().query(pk, prefix=prefix, after=after, limit=limit, reverse=reverse)

    def transact(self, writes: Sequence[Write]) -> None:
        self._meet()
        super().transact(writes)

    def aside(self) -> MemoryTable:
        """The same items, where nothing goes wrong and nobody is met."""
        calm = MemoryTable(World({}, calm=True))
        calm.items = self.items
        return calm

    def alone(self) -> None:
        """From now on nobody is met."""
        self._somebody = None

    def _meet(self) -> None:
        self.calls += 1
        if self.calls == self._before_call and self._somebody is not None:
            self._somebody(self.aside())


@dataclass
class FeedTrial:
    """One run, and what is broken at its end."""

    world: World
    table: BusyTable
    bus: ModelBus
    followed: list[feed.Fed] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def follow(self) -> None:
        """Somebody goes on from where they were."""
        after = self.followed[-1].number if self.followed else 0
        self.followed += feed.read(self.table.aside(), after=after)

    def once(self) -> None:
        """One start of publish_changes, which may crash and is simply started again later."""
        with suppress(Crash, Failure):
            feed.relay(self.table, lambda: True)
            self.follow()
            feed.publish(self.table, self.bus, lambda: True)
        self.follow()


def happen(table: MemoryTable, name: str, *, now_ms: int = 1_000) -> None:
    """One more event, all of them in the same millisecond unless somebody says otherwise."""
    head = journal.load(table, name)
    event = "counted" if head else "begun"
    drafted = journal.draft(TALLY, head or journal.fresh(name), event, {}, now_ms=now_ms, by="ada")
    journal.apply(table, drafted)


def somebody_counts(table: MemoryTable) -> None:
    """Changes of a moment, one of them by somebody whose clock is behind."""
    happen(table, NAMES[0], now_ms=2_000)
    happen(table, NAMES[0], now_ms=500)
    happen(table, "tally/new")


def somebody_relays(table: MemoryTable) -> None:
    """Another relay, from beginning to end."""
    feed.relay(table, lambda: True)


def feed_trial(
    schedule: Schedule, *, before_call: int = 0, somebody: Callable[[MemoryTable], None] | None = None
) -> FeedTrial:
    """Changes and relays in turns with faults, then calm."""
    world = World(schedule)
    run = FeedTrial(world, BusyTable(world, before_call, somebody), ModelBus(world))
    for number in range(PASSES):
        for name in NAMES[: number + 1]:
            happen(run.table.aside(), name)
            happen(run.table.aside(), name)
        run.once()
    world.settle_down()
    run.table.alone()
    run.once()
    judge(run)
    return run


def judge(run: FeedTrial) -> None:
    """Add what is broken."""
    table = run.table.aside()
    names = sorted({pk.removeprefix("journal/") for pk, sk in table.items if sk == "head" and pk != feed.FEED})
    expected = {(name, event.version, event.hash) for name in names for event in journal.history(table, name)}
    fed = feed.read(table, after=0, limit=feed.MAX_READ)
    found = [(one.aggregate, one.version, one.id) for one in fed]
    if sorted(found) != sorted(expected):
        run.broken.append("F1 an event is missing or twice")
    if [one.number for one in fed] != list(range(1, feed.end(table) + 1)):
        run.broken.append("F2 a gap")
    for name in names:
        versions = [number for one, number, _ in found if one == name]
        if versions != sorted(versions):
            run.broken.append("F3 out of order")
    run.follow()
    if run.followed != fed:
        run.broken.append("F4 whoever follows sees something else")
    if table.query(journal.OUTBOX).rows:
        run.broken.append("F5 something stays behind")
    if list(dict.fromkeys(one.id for one in run.bus.heard)) != [one.id for one in fed]:
        run.broken.append("F6 the bus was not told all in order")


def _lost() -> Exception:
    return Unavailable("The bus did not answer.", next_step="Repeat.", code="test/bus")
