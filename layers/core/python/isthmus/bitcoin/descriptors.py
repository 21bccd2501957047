"""Output descriptors of watch-only wallets: public ones only, checked before the wallet is asked.

Sources: BIP 380 (descriptors), Bitcoin Core's importdescriptors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from isthmus.bitcoin import codes
from isthmus.bitcoin.views import read, undocumented
from isthmus.bitcoin.wallets import wallet_call, watches_only
from isthmus.failure import Failure, FieldError, Invalid, Precondition
from isthmus.ports import BitcoinNode


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
    active: bool
    change: bool
    since_s: int | None


class _Described(BaseModel):
    descriptor: str
    isrange: bool
    hasprivatekeys: bool


def watch(node: BitcoinNode, wallet: str, watched: Sequence[Watched]) -> None:
    """Have the wallet see what the descriptors describe; again, it does nothing.

    Raises:
        Invalid: a descriptor cannot be read or has private keys, and nothing was imported; or the wallet refused some.
        Precondition: the wallet has private keys itself.
        Unavailable: the wallet goes on looking through the chain; the same request again says when it is done.
    """
    described = [_described(node, index, one) for index, one in enumerate(watched)]
    if not watches_only(node, wallet):
        raise Precondition(
            "The wallet has private keys, and takes no descriptors beside them.",
            next_step="Create a wallet with watch_only, and import them into it.",
            code="bitcoin/wallet-has-keys",
        )
    ends = _range_ends(node, wallet)
    asked = [_asked(one, told, ends.get(told.descriptor, 0)) for one, told in zip(watched, described, strict=True)]
    reply = wallet_call(node, wallet, "importdescriptors", asked)
    if not isinstance(reply, list) or len(reply) != len(asked):
        raise undocumented()
    told = [one.get("success") if isinstance(one, dict) else None for one in reply]
    if refused := [index for index, success in enumerate(told) if success is not True]:
        raise _unusable(refused, "was refused by the wallet; the others were imported")


def _described(node: BitcoinNode, index: int, one: Watched) -> _Described:
    try:
        described = read(_Described, node.call("getdescriptorinfo", one.descriptor))
    except Failure as failure:
        if failure.upstream is None or failure.upstream.code != codes.INVALID_ADDRESS_OR_KEY:
            raise
        raise _unusable([index], "is no descriptor (BIP 380), or its checksum is wrong") from None
    if described.hasprivatekeys:
        raise _unusable([index], "has private keys, which have no business here")
    if one.active and not described.isrange:
        raise _unusable([index], "describes no range of addresses, so no new ones can come from it")
    return described


def _asked(one: Watched, described: _Described, known_end: int) -> dict[str, Any]:
    ranged = {"range": [0, max(one.range_end, known_end)], "active": one.active} if described.isrange else {}
    since: int | str = "now" if one.since_s is None else one.since_s
    return {"desc": described.descriptor, "timestamp": since, "internal": one.change, **ranged}


def _range_ends(node: BitcoinNode, wallet: str) -> dict[str, int]:
    """The last index by descriptor: a wallet widens its ranges as they are used, and takes no narrower ones."""
    known = wallet_call(node, wallet, "listdescriptors")
    try:
        return {one["desc"]: int(one["range"][1]) for one in known["descriptors"] if "range" in one}
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None


def _unusable(indexes: Sequence[int], why: str) -> Invalid:
    return Invalid(
        f"{len(indexes)} descriptor(s) cannot be used.",
        next_step="Give public output descriptors (BIP 380) of the node's network.",
        code="bitcoin/descriptor",
        errors=tuple(FieldError(f"/descriptors/{index}/descriptor", why) for index in indexes),
    )
