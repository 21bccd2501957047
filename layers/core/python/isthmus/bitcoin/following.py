"""Following transactions: what becomes of each, through every reorganisation, as events of the journal.

Each transaction of a wallet is an aggregate, `bitcoin/transaction/<tenant>/<wallet>/<txid>`; each one that a watch is
for has the watch's id in the place of the wallet. What is tied to a block carries the block's hash; when the block
leaves the chain an event takes it back before another says what is so now.

    bitcoin/following    <whose>    block: up to which all was told; by: at which version the run that told it began;
                                    version: how often this has changed

A run takes its turn before it asks the node, and every event it writes is on the condition that no other run has begun
since: of two at once the one writes whose view of the node is newer, and none takes back what the other has seen.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus import journal
from isthmus.failure import Conflict, Failure
from isthmus.journal import START, Head, Lifecycle
from isthmus.storage.table import Absent, Check, Item, Table, Write, version

SETTLED_AT = 6
"""Confirmations after which a transaction counts as settled."""

TRAIL = 100
"""Blocks that are looked at again each time."""

FOLLOWING = "bitcoin/following"
_NO_SUCH_BLOCK = -5

TRANSACTION = Lifecycle(
    "transaction",
    {
        (START, "seen"): "waiting",
        (START, "confirmed"): "confirmed",
        (START, "conflicted"): "conflicted",
        ("waiting", "confirmed"): "confirmed",
        ("waiting", "conflicted"): "conflicted",
        ("waiting", "dropped"): "dropped",
        ("dropped", "seen"): "waiting",
        ("dropped", "confirmed"): "confirmed",
        ("dropped", "conflicted"): "conflicted",
        ("confirmed", "settled"): "settled",
        ("confirmed", "reorged"): "reorged",
        ("settled", "reorged"): "reorged",
        ("reorged", "seen"): "waiting",
        ("reorged", "confirmed"): "confirmed",
        ("reorged", "conflicted"): "conflicted",
        ("reorged", "dropped"): "dropped",
        ("conflicted", "seen"): "waiting",
        ("conflicted", "confirmed"): "confirmed",
        ("conflicted", "dropped"): "dropped",
    },
)

TIED = ("confirmed", "settled")
"""The states in which a transaction is in a block."""

Entry = Mapping[str, Any]
"""One output that a transaction sends or receives, as the node's wallet lists it."""


@dataclass(frozen=True)
class Sighting:
    """A transaction as the node knows it now.

    Args:
        abandoned: it waits nowhere, and nobody will send it again.
        told: what the events that say where it is say besides.
    """

    txid: str
    confirmations: int
    block_hash: str
    height: int
    abandoned: bool
    told: Item


@dataclass
class Turn:
    """A run that may write events, until another one begins.

    Args:
        block: up to which all was told.
        before: at which version the run began that came so far.
        began: at which version this one did.
    """

    table: Table
    whose: str
    block: str
    before: int
    began: int
    version: int
    now_ms: int
    by: str
    events: int = 0

    @property
    def lasts(self) -> Check:
        """The condition that no other run has begun."""
        return Check(FOLLOWING, self.whose, version(self.version))

    def end(self, block: str, *, anyway: bool = False) -> None:
        """Everything up to a block was told.

        Args:
            block: the block.
            anyway: whether that is noted even if it is the same as before.

        Raises:
            Conflict: another run has begun.
        """
        if anyway or block != self.block:
            item = {"block": block, "by": self.began, "version": self.version + 1}
            self.table.put(FOLLOWING, self.whose, item, when=version(self.version))

    def is_over(self) -> bool:
        """Whether another run has begun."""
        mark = self.table.get(FOLLOWING, self.whose)
        return mark is None or mark["version"] != self.version


def begin(table: Table, whose: str, now_ms: int, by: str) -> Turn:
    """Take the turn, from whoever may have it.

    Raises:
        Conflict: another run begins at this moment.
    """
    mark, unmoved = marked(table, whose)
    number = int(mark["version"]) + 1
    table.put(FOLLOWING, whose, mark | {"version": number}, when=unmoved.when)
    return Turn(table, whose, mark["block"], mark["by"], number, number, now_ms, by)


def marked(table: Table, whose: str) -> tuple[Item, Check]:
    """How far everything was told, and the condition that this has not changed since."""
    mark = table.get(FOLLOWING, whose)
    unmoved = Check(FOLLOWING, whose, Absent() if mark is None else version(mark["version"]))
    return {"block": "", "by": 0, "version": 0} | (mark or {}), unmoved


def each(runs: Iterable[Callable[[], int]]) -> int:
    """What all runs have made, whatever becomes of one of them.

    Raises:
        Failure: the first that one of them ended with, after all the others.
    """
    made, failed = 0, None
    for run in runs:
        try:
            made += run()
        except Conflict:  # another one has begun meanwhile, and does it
            continue
        except Failure as failure:
            failed = failed or failure
    if failed is not None:
        raise failed
    return made


def aggregate(tenant: str, whose: str, txid: str) -> str:
    """The name of a transaction in the journal: of a wallet, or of a watch."""
    return f"bitcoin/transaction/{tenant}/{whose}/{txid}"


def events(head: Head, seen: Sighting) -> Iterator[tuple[str, Item]]:
    """What has happened to a transaction since its head was written, in order."""
    tied = head.state in TIED
    left = tied and (seen.confirmations < 1 or seen.block_hash != head.data["block_hash"])
    if left:
        yield "reorged", {"left_block_hash": head.data["block_hash"], "block_hash": "", "height": 0}
    state = "reorged" if left else head.state
    if seen.confirmations >= 1:
        if left or not tied:
            yield "confirmed", seen.told | {"block_hash": seen.block_hash, "height": seen.height}
            state = "confirmed"
        if state == "confirmed" and seen.confirmations >= SETTLED_AT:
            yield "settled", {"confirmations": seen.confirmations}
    elif seen.confirmations < 0:
        if state != "conflicted":
            yield "conflicted", seen.told
    elif seen.abandoned:
        if state not in ("dropped", START):
            yield "dropped", {}
    elif state != "waiting":
        yield "seen", seen.told


def observe(
    turn: Turn,
    name: str,
    own: Item,
    seen: Sighting,
    also: Callable[[Head], Sequence[Write]] = lambda _: (),
    guard: Sequence[Check] = (),
) -> None:
    """Write down what has happened to a transaction.

    Args:
        turn: of this run.
        name: the aggregate.
        own: what its first event says besides.
        seen: where it is now.
        also: what is written with the last event, given the head after it; alone if nothing has happened.
        guard: conditions of every event; what they refuse is not written.

    Raises:
        Conflict: another run has begun; its view of the node is newer.
    """
    head = journal.load(turn.table, name) or journal.fresh(name)
    happened = list(events(head, seen))
    try:
        for place, (event, data) in enumerate(happened, 1):
            first = own if head.version == 0 else {}
            change = journal.draft(TRANSACTION, head, event, first | data, now_ms=turn.now_ms, by=turn.by)
            last = also(change.head) if place == len(happened) else ()
            head = journal.apply(turn.table, change, [turn.lasts, *guard, *last])
            turn.events += 1
        if not happened and (alone := also(head)):
            turn.table.transact([turn.lasts, *guard, *alone])
    except Conflict:
        if not guard or turn.is_over():
            raise
