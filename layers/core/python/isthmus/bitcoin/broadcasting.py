"""A transaction that was signed anywhere, on its way to the network."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.bitcoin.amounts import MSAT, sat_from_btc
from isthmus.bitcoin.building import check_number, is_spent, leased_coins, spenders, synced_chain, verdict
from isthmus.bitcoin.cosigners import joined
from isthmus.bitcoin.objections import objected
from isthmus.bitcoin.seen import confirmations, mined, waits
from isthmus.bitcoin.views import outputs, undocumented, whole
from isthmus.bitcoin.wallets import wallet_call
from isthmus.effects import Prepared
from isthmus.failure import Failure, FieldError, Invalid, NotFound, Refused
from isthmus.ports import BitcoinNode

MAX_RAW = 250_000
"""Hexadecimal digits of a transaction; what is larger is not relayed."""

MAX_VOUT = 999_999
"""More outputs than a block has room for; the node's RPC takes no more than 2^31 - 1."""

MAX_OWN = 100
"""How many outputs the wallet is asked about; those beyond count as somebody else's."""


@dataclass(frozen=True)
class RawTransaction:
    """A signed transaction, as it is sent or as PSBTs.

    Args:
        transaction: serialized, hexadecimal; or None.
        psbts: in base64, which have all signatures together; or none.
        wallet: the node's name of the wallet whose own outputs are not counted as spent; "" for none.
        max_spent_sat: what it spends may not be more, the fee included.
    """

    transaction: str | None
    psbts: Sequence[str]
    wallet: str
    max_spent_sat: int


def prepare(node: BitcoinNode, request: RawTransaction, leased: Collection[str]) -> Prepared:
    """Read the transaction and have the node try it, without sending it; one that the node has already costs nothing.

    Raises:
        Invalid: it is no transaction that could be sent, or lacks signatures.
        Precondition: a payment that is not settled holds one of its coins; the node is still downloading the chain.
        Refused: the node would not take it, it would replace another, or it spends more than was said.
    """
    raw, pointer = _serialized(node, request)
    reply = node.call("decoderawtransaction", raw)
    outputs(reply.get("vout") if isinstance(reply, dict) else None, pointer)
    txid, vsize, coins = _read(reply, pointer)
    known = waits(node, txid) or (confirmations(node, request.wallet, txid) or 0) > 0
    fee_sat = None if known else _tried(node, raw, coins, leased)
    if fee_sat is None and not known:
        known = bool(mined(node, request.wallet, txid, len(reply["vout"])))
        if not known:
            raise _objection(node, reply, coins, pointer)
    spent_sat = (fee_sat or 0) + others_sat(node, request.wallet, reply["vout"])
    if not known and spent_sat > request.max_spent_sat:
        raise above_limit(spent_sat, request.max_spent_sat)
    return Prepared(
        identity=txid,
        payload=raw,
        max_msat=0 if known else spent_sat * MSAT,
        leases=() if known else coins,
        detail={
            "txid": txid,
            "wallet": request.wallet,
            "spent_sat": 0 if known else spent_sat,
            "fee_sat": fee_sat,
            "vsize": vsize,
            "known": known,
        },
    )


def is_ours(prepared: Prepared) -> bool:
    """Whether the wallet has signed it itself; what is broadcast here may be anybody's."""
    return "known" not in prepared.detail


def count_outputs(node: BitcoinNode, raw: str) -> int:
    """How many outputs a transaction has."""
    reply = node.call("decoderawtransaction", raw)
    if not isinstance(reply, dict) or not isinstance(reply.get("vout"), list):
        raise undocumented()
    return len(reply["vout"])


def others_sat(node: BitcoinNode, wallet: str, made: Sequence[Mapping[str, Any]]) -> int:
    """What outputs of a decoded transaction pay to others than the wallet."""
    try:
        return sum(
            sat_from_btc(one["value"])
            for index, one in enumerate(made)
            if index >= MAX_OWN or not is_own(node, wallet, one["scriptPubKey"].get("address"))
        )
    except (LookupError, ValueError):
        raise undocumented() from None


def would_replace() -> Refused:
    """The coins are spent by what waits in the mempool: the better paying of the two would undo the other."""
    return Refused(
        "A transaction that waits spends the same coins, and this one would replace it; nothing was sent.",
        next_step="Raise the fee of the waiting payment with bump_fee, or spend other coins.",
        code="bitcoin/would-replace",
    )


def above_limit(spent_sat: int, limit_sat: int) -> Refused:
    """It spends more than the caller said."""
    return Refused(
        f"It would spend {spent_sat} sat, fee included, which is above the {limit_sat} sat that were allowed.",
        next_step="Check where it pays to; if that is right, raise max_spent_sat.",
        code="bitcoin/above-limit",
    )


def distinct_coins(inputs: Sequence[Mapping[str, Any]], pointer: str) -> tuple[str, ...]:
    """The outpoints that a decoded transaction spends.

    Raises:
        Invalid: it spends one twice, or one that there cannot be, or is a coinbase.
    """
    if not inputs or any("coinbase" in one for one in inputs):
        raise _unusable("spends no coins, so it cannot be sent", pointer)
    if any(int(one["vout"]) > MAX_VOUT for one in inputs):
        raise _unusable("spends an output that no transaction has", pointer)
    coins = tuple(f"{one['txid']}:{int(one['vout'])}" for one in inputs)
    if len(set(coins)) != len(coins):
        raise _unusable("spends a coin twice", pointer)
    check_number(coins)
    return coins


def _serialized(node: BitcoinNode, request: RawTransaction) -> tuple[str, str]:
    """The transaction in hexadecimal, and where the request has it.

    Raises:
        Invalid: it has both forms or none, or the PSBTs do not make a transaction.
    """
    if (request.transaction is None) == (not request.psbts):
        raise _unusable("is one of two forms, of which a request has exactly one", "/transaction", "/psbts")
    if request.transaction is not None:
        return request.transaction, "/transaction"
    raw = joined(node, request.psbts)
    if len(raw) > MAX_RAW:
        raise _unusable("make a larger transaction than is relayed", "/psbts")
    return raw, "/psbts"


def _read(reply: Any, pointer: str) -> tuple[str, int, tuple[str, ...]]:
    try:
        return str(reply["txid"]), whole(reply["vsize"]), distinct_coins(reply["vin"], pointer)
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None


def _tried(node: BitcoinNode, raw: str, coins: Sequence[str], leased: Collection[str]) -> int | None:
    """The fee, of a transaction that the node would take; None when it would not."""
    if taken := set(coins) & set(leased):
        raise leased_coins(len(taken))
    if spenders(node, coins):
        raise would_replace()
    found = verdict(node, raw)
    if found.get("allowed") is True:
        try:
            return sat_from_btc(found["fees"]["base"])
        except (LookupError, TypeError, ValueError):
            raise undocumented() from None
    return None


def _objection(node: BitcoinNode, reply: Mapping[str, Any], coins: Sequence[str], pointer: str) -> Failure:
    """What speaks against a transaction that neither the chain has nor the node would take."""
    if any(is_spent(node, coin) for coin in coins):
        synced_chain(node)
        return Refused(
            "A coin that the transaction spends is spent already, or the node has never seen it; nothing was sent.",
            next_step="Look the transaction and its coins up; send first what it spends from, if need be.",
            code="bitcoin/inputs-spent",
        )
    return objected(node, reply, pointer)


def is_own(node: BitcoinNode, wallet: str, address: object) -> bool:
    """Whether the wallet has the address; no wallet and no address have nothing."""
    if not wallet or not isinstance(address, str):
        return False
    try:
        info = wallet_call(node, wallet, "getaddressinfo", address)
    except NotFound:
        raise
    except Failure as failure:
        if isinstance(failure, Invalid):
            return False
        raise
    mine = info.get("ismine") if isinstance(info, dict) else None
    if not isinstance(mine, bool):
        raise undocumented()
    return mine


def _unusable(why: str, *pointers: str) -> Invalid:
    return Invalid(
        "The transaction cannot be sent.",
        next_step="Build it anew.",
        code="bitcoin/transaction",
        errors=tuple(FieldError(one, why) for one in pointers),
    )
