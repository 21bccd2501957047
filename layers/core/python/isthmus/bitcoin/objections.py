"""What speaks against a transaction that the node would not take, from its bytes, its coins and the chain.

The node's own reason is text and is not read. What is found here is true whatever the node's reason was, and is what a
signer can put right. Sources: BIP 65, 68 and 113 (lock times), BIP 141 (witnesses), Bitcoin Core's policy/policy.cpp.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from isthmus.bitcoin.amounts import sat_from_btc
from isthmus.bitcoin.building import dust_sat
from isthmus.bitcoin.mempool import MempoolTotals
from isthmus.bitcoin.views import SCRIPT_TYPES, read, undocumented
from isthmus.failure import Failure, FieldError, Invalid, Refused
from isthmus.ports import BitcoinNode
from isthmus.request import MAX_FIELD_ERRORS

MATURE = 100
"""Confirmations that a block's reward needs before it is spent."""

MAX_FEERATE_SAT_PER_KVB = 10_000_000
"""What a node sends unasked: 0.1 bitcoin per kvB (Bitcoin Core's DEFAULT_MAX_RAW_TX_FEE_RATE)."""

_FINAL = 0xFFFFFFFF
_TIMES_FROM = 500_000_000
"""A lock time below is a height (nLockTime)."""

_NOT_RELATIVE, _IN_TIME, _BLOCKS = 1 << 31, 1 << 22, 0xFFFF
"""Of a sequence (BIP 68)."""


def objected(node: BitcoinNode, transaction: Mapping[str, Any], pointer: str) -> Failure:
    """The refusal of a decoded transaction, with all that speaks against it.

    Args:
        node: the node that would not take it, though its coins are there.
        transaction: as the node has decoded it.
        pointer: where the request has it.
    """
    try:
        found = [*_objections(node, transaction)]
    except (AttributeError, LookupError, TypeError, ValueError):
        raise undocumented() from None
    if not found:
        return Refused(
            "The node would not take the transaction into its mempool; nothing was sent.",
            next_step="Check its signatures, scripts and what it spends from; the node's testmempoolaccept says more.",
            code="bitcoin/policy",
        )
    return Invalid(
        "The node does not take the transaction; nothing was sent.",
        next_step="Build or sign it anew as `errors` says.",
        code="bitcoin/transaction",
        errors=tuple(FieldError(pointer, one) for one in found[:MAX_FIELD_ERRORS]),
    )


def below_floor(node: BitcoinNode, fee_sat: int, vsize: int) -> int | None:
    """The feerate, per kvB, below which the node takes nothing now, if this one is."""
    floor = read(MempoolTotals, node.call("getmempoolinfo")).floor_sat_per_kvb
    return floor if fee_sat * 1000 < floor * vsize else None


def _objections(node: BitcoinNode, transaction: Mapping[str, Any]) -> Iterator[str]:
    inputs, outputs = transaction["vin"], transaction["vout"]
    coins = [node.call("gettxout", one["txid"], one["vout"], True) for one in inputs]
    yield from (f"input {place} is not signed" for place, one in enumerate(inputs) if not _is_signed(one))
    yield from (f"output {place} is dust" for place, one in enumerate(outputs) if _is_dust(one))
    if all(coins):
        fee_sat = sum(sat_from_btc(one["value"]) for one in coins) - sum(sat_from_btc(one["value"]) for one in outputs)
        yield from _wrong_fee(node, fee_sat, int(transaction["vsize"]))
    yield from _too_early(node, transaction, coins)


def _is_signed(spends: Mapping[str, Any]) -> bool:
    return bool(spends.get("txinwitness")) or bool(spends["scriptSig"]["hex"])


def _is_dust(output: Mapping[str, Any]) -> bool:
    script_type = SCRIPT_TYPES.get(output["scriptPubKey"]["type"], "other")
    return script_type != "op_return" and sat_from_btc(output["value"]) < dust_sat(script_type)


def _wrong_fee(node: BitcoinNode, fee_sat: int, vsize: int) -> Iterator[str]:
    if fee_sat < 0:
        yield "pays more than it spends"
    elif (floor := below_floor(node, fee_sat, vsize)) is not None:
        yield f"has a fee of {fee_sat} sat, and the node takes {-(-floor * vsize // 1000)} sat or more for its size now"
    elif fee_sat * 1000 > MAX_FEERATE_SAT_PER_KVB * vsize:
        yield f"has a fee of {fee_sat} sat, more than a node sends for its size"


def _too_early(node: BitcoinNode, transaction: Mapping[str, Any], coins: list[Any]) -> Iterator[str]:
    chain = node.call("getblockchaininfo")
    inputs, lock_time = transaction["vin"], int(transaction["locktime"])
    reached = int(chain["blocks"]) + 1 if lock_time < _TIMES_FROM else int(chain["mediantime"])
    if lock_time >= reached and any(one["sequence"] != _FINAL for one in inputs):
        yield f"is locked until {'block' if lock_time < _TIMES_FROM else 'the Unix time'} {lock_time}"
    for place, (one, coin) in enumerate(zip(inputs, coins, strict=True)):
        confirmations, sequence = int((coin or {}).get("confirmations", 0)), int(one["sequence"])
        relative = not sequence & (_NOT_RELATIVE | _IN_TIME) and int(transaction["version"]) > 1
        if coin and coin.get("coinbase") and confirmations < MATURE:
            yield f"input {place} is a block's reward, which has to wait for {MATURE} confirmations"
        elif coin and relative and confirmations < sequence & _BLOCKS:
            yield f"input {place} has to wait until its coin has {sequence & _BLOCKS} confirmations"
