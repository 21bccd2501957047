"""Watches: which addresses, descriptors and transactions a tenant wants to hear of.

    bitcoin/watches/<tenant>    <watch id>             what is watched, since when and by whom
    bitcoin/sought              <tenant>/<watch id>    a txid that is not buried yet, and where it was seen last

A watch's id is the hash of the tenant and what is watched, so the same watch again is the same one. What is here
decides what is told: the node's wallet never forgets a descriptor. Versions begin at the time, so that a watch that was
taken back and made again is another one for whoever still has the first in mind.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from isthmus.bitcoin.following import TIED
from isthmus.failure import Limited, NotFound
from isthmus.journal import Head
from isthmus.storage.table import MAX_PAGE, Absent, Check, Delete, Item, Put, Table, Write, version

MAX_WATCHES = 1000
"""Of one tenant."""

WATCH_ID = r"^watch_[0-9a-f]{32}$"
"""No name of a wallet has an underscore, so a watch's transactions never meet a wallet's in the journal."""

SOUGHT = "bitcoin/sought"

Kind = Literal["address", "descriptor", "txid"]


@dataclass(frozen=True)
class Subject:
    """What is watched.

    Args:
        text: as it is shown: an address, a descriptor with its checksum, a txid.
        descriptors: what an address or a descriptor is in the node's wallet, one for each path, without checksums.
        ranged: whether they describe a range.
    """

    kind: Kind
    text: str
    descriptors: tuple[str, ...] = ()
    ranged: bool = False

    def watch_id(self, tenant: str) -> str:
        """The id of a tenant's watch of it; an address and its descriptor `addr()` are the same."""
        content = json.dumps([tenant, *(sorted(self.descriptors) or [self.kind, self.text])])
        return f"watch_{hashlib.sha256(content.encode()).hexdigest()[:32]}"


@dataclass(frozen=True)
class Watch:
    """One watch.

    Args:
        range_end: the last index of a ranged descriptor.
        since_s: from when on the chain was looked through for it; None: from about when it was made.
    """

    watch_id: str
    tenant: str
    kind: Kind
    text: str
    descriptors: tuple[str, ...]
    range_end: int | None
    since_s: int | None
    label: str
    created_ms: int
    created_by: str
    version: int

    @property
    def stands(self) -> Check:
        """The condition that it is still watched, and as it is here."""
        return Check(_partition(self.tenant), self.watch_id, version(self.version))


@dataclass(frozen=True)
class Sought:
    """A txid that is not buried yet.

    Args:
        after: the block after which it is looked for.
        since: at which version of the followers' mark it was made: a run that began later than that looks for it.
        state: of its aggregate; empty while it was never seen.
        block_hash: where it is confirmed; empty if it is not.
        watch_version: of the watch.
    """

    tenant: str
    watch_id: str
    txid: str
    after: str
    since: int
    state: str
    block_hash: str
    height: int
    watch_version: int
    version: int

    @property
    def stands(self) -> Check:
        """The condition that it is still watched."""
        return Check(_partition(self.tenant), self.watch_id, version(self.watch_version))

    def moved(self, head: Head) -> Put:
        """It is where its aggregate says."""
        found = replace(self, version=self.version + 1, **_place(head))
        return Put(SOUGHT, _key(self.tenant, self.watch_id), asdict(found), version(self.version))

    def buried(self) -> Delete:
        """It lies so deep that nobody looks any more."""
        return Delete(SOUGHT, _key(self.tenant, self.watch_id), version(self.version))


def made(tenant: str, by: str, subject: Subject, label: str, now_ms: int, **more: int | None) -> Watch:
    """A watch that is not written yet."""
    return Watch(
        watch_id=subject.watch_id(tenant),
        tenant=tenant,
        kind=subject.kind,
        text=subject.text,
        descriptors=subject.descriptors,
        range_end=more.get("range_end"),
        since_s=more.get("since_s"),
        label=label,
        created_ms=now_ms,
        created_by=by,
        version=now_ms,
    )


def sought(watch: Watch, after: str, since: int, head: Head) -> Put:
    """The txid of a new watch is to be looked for in the blocks after one."""
    found = Sought(
        tenant=watch.tenant,
        watch_id=watch.watch_id,
        txid=watch.text,
        after=after,
        since=since,
        watch_version=watch.version,
        version=watch.version,
        **_place(head),
    )
    return Put(SOUGHT, _key(watch.tenant, watch.watch_id), asdict(found), Absent())


def written(watch: Watch, before: Watch | None) -> Put:
    """A watch that is new, or in the place of what it was before."""
    when = version(before.version) if before else Absent()
    item = asdict(watch) | {"descriptors": list(watch.descriptors)}
    return Put(_partition(watch.tenant), watch.watch_id, item, when)


def removed(watch: Watch) -> list[Write]:
    """The end of a watch."""
    return [
        Delete(_partition(watch.tenant), watch.watch_id, version(watch.version)),
        Delete(SOUGHT, _key(watch.tenant, watch.watch_id)),
    ]


def find(table: Table, tenant: str, watch_id: str) -> Watch | None:
    """A watch of a tenant."""
    item = table.get(_partition(tenant), watch_id)
    return None if item is None else _watch(item)


def owned(table: Table, tenant: str, watch_id: str) -> Watch:
    """A watch of a tenant.

    Raises:
        NotFound: it has none of this id, whoever else has.
    """
    found = find(table, tenant, watch_id)
    if found is None:
        raise NotFound("There is no such watch.", next_step="list_watches shows them.", code="bitcoin/no-watch")
    return found


def page(
    table: Table, tenant: str, *, after: str | None = None, limit: int = MAX_PAGE
) -> tuple[list[Watch], str | None]:
    """Watches of a tenant by id, and what to go on after."""
    rows = table.query(_partition(tenant), after=after, limit=limit)
    return [_watch(row.item) for row in rows.rows], rows.after


def check_room(table: Table, tenant: str) -> None:
    """See that a tenant may have one watch more; of several at once a few may pass.

    Raises:
        Limited: it has as many as it may have.
    """
    if len(table.query(_partition(tenant), limit=MAX_WATCHES).rows) >= MAX_WATCHES:
        raise Limited(
            f"The tenant has {MAX_WATCHES} watches.",
            next_step="Take back those that nobody needs (unwatch), or watch a ranged descriptor for many addresses.",
            code="bitcoin/too-many-watches",
        )


def every(table: Table, tenant: str) -> Iterator[Watch]:
    """The watches of a tenant."""
    return (_watch(item) for item in _items(table, _partition(tenant)))


def all_sought(table: Table) -> Iterator[Sought]:
    """The txids of all tenants that are not buried yet."""
    return (Sought(**item) for item in _items(table, SOUGHT))


def _items(table: Table, partition: str) -> Iterator[Item]:
    after: str | None = None
    while True:
        rows = table.query(partition, after=after, limit=MAX_PAGE)
        yield from (row.item for row in rows.rows)
        after = rows.after
        if after is None:
            return


def _place(head: Head) -> dict[str, Any]:
    """Where an aggregate says that its transaction is."""
    tied = head.state in TIED
    place = (
        {"block_hash": head.data["block_hash"], "height": head.data["height"]}
        if tied
        else {"block_hash": "", "height": 0}
    )
    return {"state": head.state, **place}


def _watch(item: Item) -> Watch:
    fields: dict[str, Any] = item | {"descriptors": tuple(item["descriptors"])}
    return Watch(**fields)


def _partition(tenant: str) -> str:
    return f"bitcoin/watches/{tenant}"


def _key(tenant: str, watch_id: str) -> str:
    return f"{tenant}/{watch_id}"
