"""The manifest: which segments are the chain now; it changes only by conditional put, so readers see one chain."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import orjson

from isthmus.failure import Conflict
from isthmus.pipeline.segments import Segment, holds
from isthmus.ports import Blobs
from isthmus.storage.blobs import IfAbsent, IfMatch

KEY = "manifest.json"
KEPT_RETRACTIONS = 200


@dataclass(frozen=True)
class Manifest:
    """One state of the tables.

    From `follow_from` on, new blocks are added as they come (None: only what was asked for is kept). `retracted` names
    the latest segments that a reorganisation removed; their files stay, because orphans are data.
    """

    version: int
    genesis: str
    follow_from: int | None
    segments: tuple[Segment, ...]
    retracted: tuple[str, ...] = field(default=())

    def within(self, first: int, last: int) -> list[Segment]:
        """Segments that touch these heights, in order."""
        return [segment for segment in self.segments if segment.first <= last and segment.last >= first]


def load(blobs: Blobs) -> tuple[Manifest | None, str]:
    """The current manifest and its etag, or (None, "") before the first commit."""
    blob = blobs.get(KEY)
    if blob is None:
        return None, ""
    stored: dict[str, Any] = orjson.loads(blob.body)
    segments = tuple(Segment(**segment) for segment in stored.pop("segments"))
    return Manifest(**stored | {"segments": segments, "retracted": tuple(stored["retracted"])}), blob.etag


def commit(blobs: Blobs, manifest: Manifest, etag: str) -> None:
    """Make this manifest the current one.

    Raises:
        Conflict: somebody else committed since `etag` was read; nothing changed.
    """
    blobs.put(KEY, orjson.dumps(manifest), when=IfMatch(etag) if etag else IfAbsent())


def merged(manifest: Manifest, added: Iterable[Segment], retract: Collection[str]) -> Manifest:
    """The manifest without the retracted segments and those the added ones replace, with the added ones.

    What a stored segment holds already is not added: the plan may be older than the manifest.
    Equal to the manifest itself when nothing changes, so that a repeated commit is none.

    Raises:
        Conflict: neighbouring segments would not be one chain; the chain moved while blocks were collected.
    """
    stored = [segment for segment in manifest.segments if segment.id not in retract]
    new = [segment for segment in added if not holds(stored, segment.window)]
    kept = [segment for segment in stored if not any(n.first <= segment.last and n.last >= segment.first for n in new)]
    segments = tuple(sorted([*kept, *new], key=lambda segment: segment.first))
    for below, above in pairwise(segments):
        if below.last >= above.first or (below.last + 1 == above.first and above.previous_hash != below.block_hash):
            raise Conflict(
                f"The blocks {below.last} and {above.first} are not of one chain.",
                next_step="Nothing to do: the next reconciliation collects what moved.",
                code="pipeline/chain-moved",
            )
    gone = [s.id for s in manifest.segments if s.id in retract and s not in new]
    return replace(manifest, segments=segments, retracted=(*manifest.retracted, *gone)[-KEPT_RETRACTIONS:])
