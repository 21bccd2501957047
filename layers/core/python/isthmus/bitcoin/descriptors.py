"""Output descriptors that wallets without private keys see: public ones only, checked before the wallet is asked.

    bitcoin/rescans    <wallet>    what the node was asked for, and when, while it is not known to be done

To import a descriptor makes the node look through the chain, the last two hours of it at least, and it does that for
one import into a wallet at a time. What takes longer than a request goes on without whoever asked; the node does not
say of what it did so, so it is remembered here.

Sources: BIP 380 (descriptors), BIP 389 (several paths), Bitcoin Core's importdescriptors.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel

from isthmus.bitcoin import codes
from isthmus.bitcoin.meanings import BY_METHOD
from isthmus.bitcoin.views import read, undocumented, whole
from isthmus.bitcoin.wallets import patiently, wallet_call, watches_only
from isthmus.failure import Failure, FieldError, Invalid, Limited, Precondition
from isthmus.ports import BitcoinNode
from isthmus.storage.table import Table

MAX_DESCRIPTORS = 10_000
"""Of one wallet: the node keeps each in memory, and never forgets one."""

RESCANS = "bitcoin/rescans"
_METHOD = "importdescriptors"
_BUSY = -4
_SHORT_S = 2
"""A look through the chain that has taken longer is not waited for."""

_EARLIER_S = 7200
"""How much earlier than it is told a node begins to look, since clocks differ (Bitcoin Core's TIMESTAMP_WINDOW)."""


@dataclass(frozen=True)
class Watched:
    """One descriptor to watch.

    Args:
        descriptor: without private keys; the checksum may be left out.
        range_end: the last index of a ranged one.
        active: whether new addresses of its type come from it.
        change: whether an active one gives change addresses.
        since_s: Unix time of its first use; None when it was never used.
    """

    descriptor: str
    range_end: int
    active: bool = False
    change: bool = False
    since_s: int | None = None


@dataclass(frozen=True)
class Described:
    """What the node reads a descriptor as: with checksums, one for each of its paths."""

    paths: tuple[str, ...]
    ranged: bool


@dataclass(frozen=True)
class _Begun:
    """What the node was asked for, by its hash, and when."""

    request: str
    at_ms: int


class _Chain(BaseModel):
    pruned: bool = False
    pruneheight: int = 0


class _Header(BaseModel):
    time: int


class _Info(BaseModel):
    descriptor: str
    isrange: bool
    hasprivatekeys: bool
    multipath_expansion: list[str] | None = None


def described(node: BitcoinNode, descriptor: str, pointer: str) -> Described:
    """Read a descriptor.

    Raises:
        Invalid: it cannot be read, or has private keys; the field is named, its content is not.
    """
    try:
        info = read(_Info, node.call("getdescriptorinfo", descriptor))
    except Failure as failure:
        if failure.upstream is None or failure.upstream.code != codes.INVALID_ADDRESS_OR_KEY:
            raise
        raise _unusable([pointer], "is no descriptor (BIP 380), or its checksum is wrong") from None
    if info.hasprivatekeys:
        raise _unusable([pointer], "has private keys, which have no business here")
    return Described(tuple(info.multipath_expansion or [info.descriptor]), info.isrange)


def plain(descriptor: str) -> str:
    """A descriptor as the node's wallets write it, without the checksum: hardened steps are marked with h."""
    return descriptor.partition("#")[0].replace("'", "h")


def watch(
    table: Table,
    node: BitcoinNode,
    wallet: str,
    watched: Sequence[Watched],
    now_ms: int,
    at: str = "/descriptors/{}/descriptor",
) -> None:
    """Have the wallet see what the descriptors describe; again, it looks through the chain again.

    Args:
        table: where it is remembered what the node has not finished.
        node: the node.
        wallet: its name of the wallet.
        watched: the descriptors.
        now_ms: the time.
        at: where in the request they are, by index.

    Raises:
        Invalid: a descriptor cannot be read or has private keys, and nothing was imported; or the wallet refused some.
        Precondition: the wallet has private keys itself; or the node has pruned what it would have to look through.
        Limited: the wallet has as many as it may have.
        Unavailable: the wallet goes on looking through the chain; the same request again says when it is done.
    """
    pointers = [at.format(index) for index in range(len(watched))]
    read_as = [_checked(node, one, pointer) for one, pointer in zip(watched, pointers, strict=True)]
    if not watches_only(node, wallet):
        raise Precondition(
            "The wallet has private keys, and takes no descriptors beside them.",
            next_step="Create a wallet with watch_only, and import them into it.",
            code="bitcoin/wallet-has-keys",
        )
    known = _known(node, wallet)
    asked = [one for pair in zip(watched, read_as, strict=True) for one in _asked(*pair, known)]
    names = {plain(one["desc"]) for one in asked}
    if len(known.keys() | names) > MAX_DESCRIPTORS:
        raise Limited(
            f"The wallet has {MAX_DESCRIPTORS} descriptors, those that nobody watches any more among them.",
            next_step="Watch one ranged descriptor in the place of many addresses.",
            code="bitcoin/too-many-descriptors",
        )
    _check_kept(node, watched, pointers)
    request = _Begun(hashlib.sha256(json.dumps([asdict(one) for one in watched]).encode()).hexdigest(), now_ms)
    if names <= known.keys() and _has_ended(table, node, wallet, request):
        return
    places = [place for place, one in enumerate(read_as) for _ in one.paths]
    refused = _import(table, node, wallet, asked, request)
    if wrong := {place for place, one in zip(places, refused, strict=True) if one}:
        why = "was refused by the wallet; the others were imported"
        raise _unusable([pointers[place] for place in sorted(wrong)], why)


def _checked(node: BitcoinNode, one: Watched, pointer: str) -> Described:
    found = described(node, one.descriptor, pointer)
    if one.active and not found.ranged:
        raise _unusable([pointer], "describes no range of addresses, so no new ones can come from it")
    return found


def _check_kept(node: BitcoinNode, watched: Sequence[Watched], pointers: Sequence[str]) -> None:
    """Refuse what a pruned node cannot look for: it would import the descriptors all the same, and find nothing."""
    if all(one.since_s is None for one in watched):
        return
    chain = read(_Chain, node.call("getblockchaininfo"))
    if not chain.pruned:
        return
    oldest_s = read(_Header, node.call("getblockheader", node.call("getblockhash", chain.pruneheight))).time
    early = [
        FieldError(
            f"{pointer.rpartition('/')[0]}/since_s", f"is no two hours after the node's oldest block, {oldest_s}"
        )
        for one, pointer in zip(watched, pointers, strict=True)
        if one.since_s is not None and one.since_s < oldest_s + _EARLIER_S
    ]
    if early:
        raise Precondition(
            "The node has pruned blocks in which the descriptors may have been used; nothing was imported.",
            next_step="Ask a node that keeps the whole chain; or give a later time, if they were not used before.",
            code="bitcoin/pruned",
            errors=tuple(early),
        )


def _asked(one: Watched, read_as: Described, known: dict[str, int]) -> list[dict[str, Any]]:
    """An import of each path; a wallet widens ranges as they are used, and takes no narrower ones."""
    since: int | str = "now" if one.since_s is None else one.since_s
    asked = []
    for place, path in enumerate(read_as.paths):
        end = max(one.range_end, known.get(plain(path), 0))
        ranged = {"range": [0, end], "active": one.active} if read_as.ranged else {}
        asked.append({"desc": path, "timestamp": since, "internal": one.change or place > 0, **ranged})
    return asked


def _known(node: BitcoinNode, wallet: str) -> dict[str, int]:
    """The descriptors that the wallet has, and the last index of each."""
    listed = wallet_call(node, wallet, "listdescriptors")
    try:
        return {plain(one["desc"]): int(one["range"][1]) if "range" in one else 0 for one in listed["descriptors"]}
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None


def _import(table: Table, node: BitcoinNode, wallet: str, asked: list[dict[str, Any]], request: _Begun) -> list[bool]:
    """Whether each was refused."""
    try:
        reply = patiently(
            lambda: wallet_call(node, wallet, _METHOD, asked), lambda: _looking_s(node, wallet) <= _SHORT_S
        )
    except Failure as failure:
        if failure.code != codes.TIMEOUT:
            raise
        table.put(RESCANS, wallet, asdict(request))
        raise _still_looking() from None
    if not isinstance(reply, list) or len(reply) != len(asked):
        raise undocumented()
    return [not (isinstance(one, dict) and one.get("success") is True) for one in reply]


def _has_ended(table: Table, node: BitcoinNode, wallet: str, request: _Begun) -> bool:
    """Whether the node has done the same that it was asked for before; one that was started anew since has not.

    Raises:
        Unavailable: it is still at it.
    """
    begun = table.get(RESCANS, wallet)
    if begun is None or begun["request"] != request.request:
        return False
    if _looking_s(node, wallet):
        raise _still_looking()
    table.delete(RESCANS, wallet)
    return whole(node.call("uptime")) * 1000 > request.at_ms - int(begun["at_ms"])


def _looking_s(node: BitcoinNode, wallet: str) -> int:
    """For how many seconds the wallet has been looking through the chain, rounded up; 0 if it is not."""
    info = wallet_call(node, wallet, "getwalletinfo")
    scanning = info.get("scanning") if isinstance(info, dict) else None
    return 1 + whole(scanning.get("duration")) if isinstance(scanning, dict) else 0


def _still_looking() -> Failure:
    return codes.failure(BY_METHOD[_METHOD, _BUSY])


def _unusable(pointers: Sequence[str], why: str) -> Invalid:
    return Invalid(
        f"{len(pointers)} descriptor(s) cannot be used.",
        next_step="Give public output descriptors (BIP 380) of the node's network.",
        code="bitcoin/descriptor",
        errors=tuple(FieldError(pointer, why) for pointer in pointers),
    )
