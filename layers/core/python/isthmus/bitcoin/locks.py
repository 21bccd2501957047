"""The node's own locks: what keeps a wallet from choosing a coin, until somebody unlocks it or the node restarts.

What payments hold is locked for the moment in which the wallet chooses coins for another one. A process that is killed
in that moment leaves its locks behind. Nobody can tell them from an operator's own, since the node knows of no owner.
So none is undone here, and it is said where one matters: when a wallet has too little without what is locked.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from isthmus.bitcoin.amounts import sat_from_btc
from isthmus.bitcoin.coins import coins as unspent
from isthmus.bitcoin.coins import node_outpoint, outpoint
from isthmus.bitcoin.views import undocumented
from isthmus.bitcoin.wallets import wallet_call
from isthmus.failure import Conflict, Failure, Invalid
from isthmus.ports import BitcoinNode

MAX_COUNTED = 200
"""Locked coins whose amounts are asked for."""

_TRIES = 5


@contextmanager
def locked(node: BitcoinNode, wallet: str, coins: Collection[str]) -> Iterator[None]:
    """Keep the wallet from choosing these coins for a moment; what it does not have, or has locked, stays as it is."""
    if not coins:
        yield
        return
    mine = _lock(node, wallet, coins)
    try:
        yield
    finally:
        if mine:
            _unlock(node, wallet, mine)


def _lock(node: BitcoinNode, wallet: str, coins: Collection[str]) -> list[dict[str, Any]]:
    """Lock those that are free; what somebody else locks or spends meanwhile is left out of the next attempt."""
    for _ in range(_TRIES):
        mine = [node_outpoint(coin) for coin in sorted({outpoint(one) for one in unspent(node, wallet)} & set(coins))]
        try:
            if mine:
                wallet_call(node, wallet, "lockunspent", False, mine)
        except Invalid:
            continue
        except Failure:
            _unlock(node, wallet, mine)  # the node may have locked them, and its answer was lost
            raise
        return mine
    raise Conflict(
        "Other payments change the wallet's coins at the same moment.",
        next_step="Send the same request again.",
        code="bitcoin/coins-taken",
    )


def _unlock(node: BitcoinNode, wallet: str, coins: list[dict[str, Any]]) -> None:
    """Unlock them together; or one by one when one is spent or unlocked meanwhile, since the node does all or none."""
    try:
        wallet_call(node, wallet, "lockunspent", True, coins)
    except Invalid:
        for coin in coins if len(coins) > 1 else []:
            _unlock(node, wallet, [coin])
    except Failure:
        return  # the node is gone, and with it its locks


def locked_coins(node: BitcoinNode, wallet: str) -> list[str]:
    """The outpoints that are locked in the wallet on the node: nothing there chooses or lists them."""
    reply = wallet_call(node, wallet, "listlockunspent")
    if not isinstance(reply, list):
        raise undocumented()
    return [outpoint(one) for one in reply]


def locked_away(node: BitcoinNode, wallet: str, leased: Collection[str]) -> list[int]:
    """What the wallet's coins hold, in satoshi each, that are locked and that no payment holds."""
    free = sorted(set(locked_coins(node, wallet)) - set(leased))
    return [sat for coin in free[:MAX_COUNTED] if (sat := _amount_sat(node, coin)) is not None]


def _amount_sat(node: BitcoinNode, coin: str) -> int | None:
    """What a coin holds, or None if it is spent."""
    txid, _, vout = coin.partition(":")
    reply = node.call("gettxout", txid, int(vout), True)
    try:
        return None if reply is None else sat_from_btc(reply["value"])
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None
