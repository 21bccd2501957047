"""What a wallet has: its balance and its coins, and which of them payments hold."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from isthmus.bitcoin.amounts import SatFromBtc, btc, sat_from_btc
from isthmus.bitcoin.views import read, undocumented
from isthmus.bitcoin.wallets import wallet_call
from isthmus.ports import BitcoinNode

MANY = 9_999_999
"""More confirmations than there are."""


class _Mine(BaseModel):
    trusted: SatFromBtc
    untrusted_pending: SatFromBtc
    immature: SatFromBtc


class _Balances(BaseModel):
    mine: _Mine = Field(validation_alias="mine")


@dataclass(frozen=True)
class Held:
    """What a wallet holds, in satoshi; the first three have nothing in common, the last is part of the first two."""

    confirmed_sat: int
    pending_sat: int
    immature_sat: int
    leased_sat: int


def held(node: BitcoinNode, wallet: str, leased: Collection[str]) -> Held:
    """The wallet's balance.

    Raises:
        NotFound: there is no such wallet.
    """
    mine = read(_Balances, wallet_call(node, wallet, "getbalances")).mine
    pending = sum(_sat(one) for one in coins(node, wallet, max_confirmations=0))
    mine_and_leased = [one for one in coins(node, wallet) if outpoint(one) in leased] if leased else []
    return Held(
        confirmed_sat=max(0, mine.trusted + mine.untrusted_pending - pending),  # two questions: a block may lie between
        pending_sat=pending,
        immature_sat=mine.immature,
        leased_sat=sum(_sat(one) for one in mine_and_leased),
    )


def coins(
    node: BitcoinNode, wallet: str, *, min_confirmations: int = 0, max_confirmations: int = MANY, min_sat: int = 0
) -> list[Any]:
    """The wallet's unspent outputs as the node describes them, by txid and output.

    Raises:
        NotFound: there is no such wallet.
        Unavailable: they are more than can be read at once.
    """
    options = {"minimumAmount": btc(min_sat)}
    reply = wallet_call(node, wallet, "listunspent", min_confirmations, max_confirmations, [], True, options)
    if not isinstance(reply, list) or not all(isinstance(one, dict) for one in reply):
        raise undocumented()
    return sorted(reply, key=_place)


def outpoint(coin: Any) -> str:
    """`txid:vout` of an unspent output."""
    return "{}:{}".format(*_place(coin))


def node_outpoint(coin: str) -> dict[str, Any]:
    """The node's notation of `txid:vout`."""
    txid, _, vout = coin.partition(":")
    return {"txid": txid, "vout": int(vout)}


def _place(coin: Any) -> tuple[str, int]:
    try:
        return str(coin["txid"]), int(coin["vout"])
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None


def _sat(coin: Any) -> int:
    try:
        return sat_from_btc(coin["amount"])
    except (LookupError, ValueError):
        raise undocumented() from None
