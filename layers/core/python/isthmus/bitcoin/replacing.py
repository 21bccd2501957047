"""A payment that waits, paid anew with the same coins at a higher fee.

Source: BIP 125 and Bitcoin Core's policy/rbf.cpp. The old and the new transaction spend the same coins, so that only
one of them is ever mined; the recipients are paid once, whichever it is.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from isthmus.bitcoin.amounts import MSAT, sat_from_btc
from isthmus.bitcoin.building import (
    Signed,
    against_policy,
    check_number,
    fee_above_cap,
    fee_options,
    leased_coins,
    sign,
    spenders,
    verdict,
)
from isthmus.bitcoin.locks import locked
from isthmus.bitcoin.packages import reached
from isthmus.bitcoin.views import undocumented
from isthmus.bitcoin.wallets import wallet_call
from isthmus.effects import Prepared
from isthmus.failure import Integrity, Precondition, Refused
from isthmus.journal import Head
from isthmus.ledger.records import may_be_replaced, prepared_of
from isthmus.ports import BitcoinNode


@dataclass(frozen=True)
class Bump:
    """A higher fee for a payment of the ledger.

    Args:
        payment_id: of the payment.
        max_fee_sat: the new fee may not be higher.
        feerate_sat_per_kvb: the new feerate, or None to have the node estimate it.
        target_blocks: for the estimate.
    """

    payment_id: str
    max_fee_sat: int
    feerate_sat_per_kvb: int | None
    target_blocks: int


def prepare(node: BitcoinNode, request: Bump, leased: Collection[str], paid: Head | None) -> Prepared:
    """Build and sign the replacement, and have the node try it, without sending it. It costs what the fee grows by.

    Raises:
        Precondition: the payment is not settled yet.
        Refused: it cannot be replaced, or not at this fee; nothing was sent.
        Integrity: what the wallet has built does not replace it.
    """
    old = _standing(paid)
    if taken := set(old.leases) & set(leased):
        raise leased_coins(len(taken))
    wallet = old.detail["wallet"]
    options = fee_options(request.feerate_sat_per_kvb, request.target_blocks)
    with locked(node, wallet, leased):
        reply = wallet_call(node, wallet, "psbtbumpfee", old.identity, options)
    try:
        psbt, fee_sat = str(reply["psbt"]), sat_from_btc(reply["fee"])
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None
    if fee_sat > request.max_fee_sat:
        raise fee_above_cap(fee_sat, request.max_fee_sat)
    signed = sign(node, wallet, psbt)
    check_number(signed.coins)
    change_index = _checked(node, old, signed)
    if (
        set(spenders(node, signed.coins).values()) - {old.identity}
        or verdict(node, signed.raw).get("allowed") is not True
    ):
        raise against_policy()
    return Prepared(
        identity=signed.txid,
        payload=signed.raw,
        max_msat=max(0, fee_sat - old.detail["fee_sat"]) * MSAT,
        leases=signed.coins,
        detail={
            **old.detail,
            "method": "replacement",
            "txid": signed.txid,
            "parent_txid": None,
            "replaces_txid": old.identity,
            "fee_sat": fee_sat,
            "vsize": signed.vsize,
            "change_index": change_index,
            "feerate_sat_per_kvb": reached(node, signed.coins, fee_sat, signed.vsize, in_place_of=old.identity),
        },
        replaces=request.payment_id,
    )


def _standing(paid: Head | None) -> Prepared:
    """The payment to be replaced, which stands as it was made."""
    if paid is None or paid.state != "succeeded":
        raise Precondition(
            "The payment is not in the network, as far as is known.",
            next_step="Ask for it again when it has succeeded.",
            code="bitcoin/payment-unsettled",
        )
    if not may_be_replaced(paid):
        raise Refused(
            "Another payment has taken the place of this one.",
            next_step="Raise the fee of the one that its `replaced_by` names.",
            code="bitcoin/replaced",
        )
    old = prepared_of(paid)
    if "recipients" not in old.detail:
        raise Refused(
            "Only what send_payment has paid can be paid anew.",
            next_step="Replace the transaction where it was made; or name its txid and a wallet that it pays.",
            code="bitcoin/not-bumpable",
        )
    return old


def _checked(node: BitcoinNode, old: Prepared, new: Signed) -> int | None:
    """Where the change of the replacement is, once it is sure that it replaces the payment and pays the same.

    Raises:
        Integrity: it does not spend all coins of the payment, or pays somebody less.
    """
    before, after = _outputs(node, old.payload), _outputs(node, new.raw)
    index = old.detail["change_index"]
    change = None if index is None else before.pop(index)
    rest = list(after)
    for one in before:
        if one not in rest:
            raise _another()
        rest.remove(one)
    if not set(old.leases) <= set(new.coins) or len(rest) > 1:
        raise _another()
    scripts = [script for script, _ in after]
    if change is None or change[0] not in scripts:
        return after.index(rest[0]) if rest else None
    return scripts.index(change[0])


def _outputs(node: BitcoinNode, raw: str) -> list[tuple[str, int]]:
    reply: Any = node.call("decoderawtransaction", raw)
    try:
        return [(str(one["scriptPubKey"]["hex"]), sat_from_btc(one["value"])) for one in reply["vout"]]
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None


def _another() -> Integrity:
    return Integrity(
        "What the node's wallet has built does not pay the same with the same coins; nothing was sent.",
        next_step="Do not use this node before you know why.",
        code="bitcoin/no-replacement",
    )
