"""Watches as operations ask for and answer them."""

from typing import Annotated

from pydantic import Field

from isthmus import journal
from isthmus.bitcoin.following import TIED, aggregate
from isthmus.bitcoin.wanted import Label
from isthmus.bitcoin.watches import WATCH_ID, Kind, Watch
from isthmus.fields import BlockHash, Height, Request, Response, Txid
from isthmus.storage.table import Table

WatchId = Annotated[str, Field(pattern=WATCH_ID, description="id of a watch")]


class WantedWatch(Request):
    """What to watch: exactly one of address, descriptor and txid."""

    address: str | None = Field(default=None, min_length=14, max_length=90, description="either this")
    descriptor: str | None = Field(
        default=None, min_length=4, max_length=2000, description="or this: BIP 380, without private keys"
    )
    txid: Txid | None = Field(default=None, description="or this, of any wallet or none")
    label: Label = Field(default="", description="for whoever lists them; that of the first time stays")
    range_end: int | None = Field(
        default=None, ge=0, le=10_000, description="the last index of a ranged descriptor, 1000 without it"
    )
    since_s: int | None = Field(
        default=None,
        ge=0,
        le=2**32 - 1,
        description="Unix time of the first use of an address or descriptor, if it was used before: tell also what "
        "happened since",
    )
    block_hash: BlockHash | None = Field(
        default=None, description="the block of a txid that is mined already, for a node without a transaction index"
    )


class OfWatch(Request):
    """Which watch."""

    watch_id: WatchId


class WatchView(Response):
    """One watch; its events are those of the aggregates `bitcoin/transaction/<tenant>/<watch_id>/<txid>`."""

    watch_id: WatchId
    kind: Kind
    address: str | None
    descriptor: str | None
    txid: Txid | None
    range_end: int | None
    since_s: int | None
    label: str
    created_ms: int
    created_by: str
    state: str | None = Field(
        description="of a txid: unseen (not waiting, not in a block since the watch was made, and not found where the "
        "node can look things up), waiting, confirmed, settled (six confirmations), reorged, dropped"
    )
    block_hash: BlockHash | None = Field(description="of a txid that is confirmed")
    height: Height | None


def view(table: Table, watch: Watch) -> WatchView:
    """A watch for its reader, with where the transaction is if it watches one."""
    txid = watch.text if watch.kind == "txid" else None
    head = journal.load(table, aggregate(watch.tenant, watch.watch_id, txid)) if txid else None
    tied = head if head and head.state in TIED else None
    return WatchView(
        watch_id=watch.watch_id,
        kind=watch.kind,
        address=watch.text if watch.kind == "address" else None,
        descriptor=watch.text if watch.kind == "descriptor" else None,
        txid=txid,
        range_end=watch.range_end,
        since_s=watch.since_s,
        label=watch.label,
        created_ms=watch.created_ms,
        created_by=watch.created_by,
        state=None if txid is None else head.state if head else "unseen",
        block_hash=tied.data["block_hash"] if tied else None,
        height=tied.data["height"] if tied else None,
    )
