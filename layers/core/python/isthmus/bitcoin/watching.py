"""Making watches: what is watched is checked before anything is changed, and the node sees it before it is written."""

from collections.abc import Sequence
from dataclasses import replace

from isthmus import journal
from isthmus.bitcoin import chain, descriptors, watches
from isthmus.bitcoin.descriptors import Watched, described, plain
from isthmus.bitcoin.following import FOLLOWING, SETTLED_AT, TRANSACTION, aggregate, events, marked
from isthmus.bitcoin.outputs import judge
from isthmus.bitcoin.wallets import WATCHES, make_wallet, node_wallet, patiently
from isthmus.bitcoin.watch_views import WantedWatch
from isthmus.bitcoin.watched_txids import BY, WHOSE, first_sighting, own
from isthmus.bitcoin.watches import Subject, Watch
from isthmus.failure import Conflict, FieldError, Invalid, NotFound
from isthmus.ports import BitcoinNode, Caller
from isthmus.storage.table import Put, Table, Write

RANGE_END = 1000
_TRIES = 5
_WHAT = ("address", "descriptor", "txid")
_GOES_WITH = {"range_end": ("descriptor",), "since_s": ("address", "descriptor"), "block_hash": ("txid",)}


def watch(table: Table, node: BitcoinNode, caller: Caller, wanted: WantedWatch, now_ms: int) -> Watch:
    """Make a watch; the same again is the same one, with a wider range or more of the past if that is asked for.

    Raises:
        Invalid: it cannot be watched; each field says why.
        Limited: the tenant has as many watches as it may have, or its wallet as many descriptors.
        Precondition: the node has pruned the block that is named.
        Conflict: it was changed by others at this moment.
        Unavailable: the node goes on looking through the chain; the same request again says when it is done.
    """
    found = _subject(node, wanted)
    known = watches.find(table, caller.tenant, found.watch_id(caller.tenant))
    asked = _asked(known, found, caller, wanted, now_ms)
    if asked != known and known is None:
        watches.check_room(table, caller.tenant)
    if asked != known and found.descriptors:
        _show_to_wallet(table, node, asked, now_ms)
    for _ in range(_TRIES):
        if asked == known:
            return asked
        beside = _rewound(table, node, asked) if found.descriptors else _sought(table, node, asked, wanted.block_hash)
        try:
            table.transact([watches.written(asked, known), *beside])
        except Conflict:  # the same watch was made, or what is followed has moved
            known = watches.find(table, caller.tenant, asked.watch_id)
            asked = _asked(known, found, caller, wanted, now_ms)
        else:
            return asked
    raise Conflict(
        "The watch is being changed by others at this moment.",
        next_step="Send the request again.",
        code="bitcoin/watch-changed",
    )


def unwatch(table: Table, tenant: str, watch_id: str) -> Watch:
    """Take a watch back: nothing that happens from now on is told.

    Raises:
        NotFound: the tenant has none of this id.
        Conflict: it was changed at this moment.
    """
    found = watches.owned(table, tenant, watch_id)
    table.transact(watches.removed(found))
    return found


def _subject(node: BitcoinNode, wanted: WantedWatch) -> Subject:
    """What is to be watched, checked."""
    given = [name for name in _WHAT if getattr(wanted, name) is not None]
    if len(given) != 1:
        raise _invalid("Exactly one thing is watched.", *((name, "give exactly one of the three") for name in _WHAT))
    kind = given[0]
    strange = [name for name, kinds in _GOES_WITH.items() if getattr(wanted, name) is not None and kind not in kinds]
    if strange:
        raise _invalid("A field belongs to another thing.", *((name, f"does not go with {kind}") for name in strange))
    if wanted.txid is not None:
        return Subject("txid", wanted.txid)
    if wanted.address is not None:
        return _address(node, wanted.address)
    return _descriptor(node, str(wanted.descriptor), wanted.range_end)


def _address(node: BitcoinNode, address: str) -> Subject:
    judged = judge(node, address)
    if not judged.valid:
        raise _invalid("The address cannot be watched.", ("address", f"is no address here: {judged.reason}"))
    text = address if judged.witness_version is None else address.lower()  # BIP 173: either case, never both
    return Subject("address", text, (plain(f"addr({text})"),))


def _descriptor(node: BitcoinNode, descriptor: str, range_end: int | None) -> Subject:
    found = described(node, descriptor, "/descriptor")
    if range_end is not None and not found.ranged:
        raise _invalid("The descriptor has no range.", ("range_end", "goes with a ranged descriptor only"))
    return Subject("descriptor", descriptor, tuple(plain(one) for one in found.paths), found.ranged)


def _asked(known: Watch | None, found: Subject, caller: Caller, wanted: WantedWatch, now_ms: int) -> Watch:
    """The watch as it is to be: new, or what it was with a wider range and an earlier beginning."""
    if known is None:
        end = RANGE_END if wanted.range_end is None else wanted.range_end
        more = {"range_end": end if found.ranged else None, "since_s": wanted.since_s}
        return watches.made(caller.tenant, caller.id, found, wanted.label, now_ms, **more)
    ends = [one for one in (known.range_end, wanted.range_end) if one is not None]
    starts = [one for one in (known.since_s, wanted.since_s) if one is not None]
    wider = replace(known, range_end=max(ends, default=None), since_s=min(starts, default=None))
    return known if wider == known else replace(wider, version=known.version + 1)


def _show_to_wallet(table: Table, node: BitcoinNode, asked: Watch, now_ms: int) -> None:
    """Have the node's wallet behind the tenant's watches see what is watched."""
    patiently(lambda: make_wallet(node, asked.tenant, WATCHES, watch_only=True))
    text = f"addr({asked.text})" if asked.kind == "address" else asked.text
    watched = [Watched(text, asked.range_end or 0, since_s=asked.since_s)]
    descriptors.watch(table, node, node_wallet(asked.tenant, WATCHES), watched, now_ms, at=f"/{asked.kind}")


def _rewound(table: Table, node: BitcoinNode, asked: Watch) -> list[Write]:
    """What makes the next run look at all since the watch begins, and ends one that has looked before it was seen."""
    wallet = node_wallet(asked.tenant, WATCHES)
    mark, unmoved = marked(table, wallet)
    if asked.since_s is None or not mark["version"]:
        return []
    start = chain.before(node, asked.since_s, chain.tip(node))
    first = start.block_hash if _height(node, mark["block"]) > start.height else mark["block"]
    moved = mark | {"block": first, "version": mark["version"] + 1}
    return [Put(FOLLOWING, wallet, moved, unmoved.when)]


def _height(node: BitcoinNode, block_hash: str) -> int:
    """Of a block; -1 if it is none of this chain's, after which the next run looks at everything."""
    try:
        return chain.header(node, block_hash).height if block_hash else -1
    except NotFound:
        return -1


def _sought(table: Table, node: BitcoinNode, asked: Watch, block_hash: str | None) -> list[Write]:
    """What has a txid looked for from now on, and the first of its events if it is there already."""
    mark, unmoved = marked(table, WHOSE)
    after = chain.back(node, chain.tip(node), SETTLED_AT)  # what was just mined may not be in the node's index yet
    name = aggregate(asked.tenant, asked.watch_id, asked.text)
    head, first = journal.load(table, name) or journal.fresh(name), None
    if (seen := first_sighting(node, asked.tenant, asked.text, block_hash)) is not None:
        first = next(events(head, seen), None)
    made: Sequence[Write] = ()
    if first is not None:
        more = own(asked.tenant, asked.watch_id, asked.text) if head.version == 0 else {}
        change = journal.draft(TRANSACTION, head, first[0], more | first[1], now_ms=asked.created_ms, by=BY)
        head, made = change.head, journal.writes(change)
    return [unmoved, watches.sought(asked, after.block_hash, mark["version"], head), *made]


def _invalid(detail: str, *refused: tuple[str, str]) -> Invalid:
    return Invalid(
        detail,
        next_step="Give one address of the node's network, public output descriptor (BIP 380) or txid.",
        code="bitcoin/watch",
        errors=tuple(FieldError(f"/{name}", why) for name, why in refused),
    )
