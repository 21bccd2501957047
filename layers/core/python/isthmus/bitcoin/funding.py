"""Coins for a draft: those that are named are looked at first, and when the wallet cannot fund it, it is said why.

The node's wallet has one code for every reason, and its text is not read: the reasons come from what the wallet has.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from isthmus.bitcoin.amounts import sat_from_btc
from isthmus.bitcoin.broadcasting import is_own
from isthmus.bitcoin.building import DUST_SAT, MAX_COINS, Draft, Funded, fund, spenders
from isthmus.bitcoin.coins import coins, outpoint
from isthmus.bitcoin.locks import locked_away
from isthmus.bitcoin.objections import MATURE
from isthmus.bitcoin.psbts import decode
from isthmus.bitcoin.views import undocumented
from isthmus.bitcoin.wallets import wallet_call
from isthmus.failure import Failure, FieldError, Funds, Invalid, Precondition, Refused
from isthmus.ports import BitcoinNode

CHAIN = 25
"""Transactions in a row that a node lets wait, by default."""

USUAL_VSIZE = 250
"""Virtual bytes of a payment with one or two inputs of any type."""

_NOT_FUNDED = "bitcoin/not-funded"


@dataclass(frozen=True)
class _Coin:
    outpoint: str
    value_sat: int
    confirmations: int
    ancestors: int


def funded(node: BitcoinNode, draft: Draft, leased: Collection[str]) -> Funded:
    """Choose coins and change, with more inputs than can be sent, if the wallet likes many.

    Raises:
        Invalid: a named coin is none that the wallet can spend; the amounts leave nothing for the fee.
        Funds: the wallet has too little, and how much.
        Precondition: what it has waits in too long a chain, or it has no keys for change.
        Refused: the fee would be above the cap, or the wallet does not say why it refuses.
    """
    _check_named(node, draft)
    try:
        return fund(node, draft, leased)
    except Funds as failure:
        if failure.code != _NOT_FUNDED:
            raise
    locked_sat = [] if draft.coins else locked_away(node, draft.wallet, leased)
    raise next(_reasons(node, draft, _usable(node, draft, leased), locked_sat))


def with_few_coins(node: BitcoinNode, draft: Draft, leased: Collection[str], fee_sat: int) -> Funded:
    """The same with the largest coins, as few as do; a wallet takes more of them while feerates are low.

    Args:
        node: the node.
        draft: without named coins.
        leased: the coins that unsettled payments have leased.
        fee_sat: what it would cost with more coins.

    Raises:
        Invalid: as many as can be sent do not suffice.
        Funds, Precondition, Refused: as `funded`.
    """
    needed_sat = _amount_sat(draft) + (0 if draft.subtract_fee else fee_sat)
    chosen: list[_Coin] = []
    for coin in _largest(_usable(node, draft, leased)):
        if sum(one.value_sat for one in chosen) < needed_sat:
            chosen.append(coin)
    try:
        return fund(node, replace(draft, coins=[one.outpoint for one in chosen]), leased)
    except Funds:
        raise _too_many(sum(one.value_sat for one in chosen)) from None


def funded_to_sign(node: BitcoinNode, draft: Draft, leased: Collection[str]) -> Funded:
    """Choose coins and change, no more than can be sent."""
    found = funded(node, draft, leased)
    few = bool(draft.coins) or len(decode(node, found.psbt).inputs) <= MAX_COINS
    return found if few else with_few_coins(node, draft, leased, found.fee_sat)


def arriving_sat(draft: Draft, found: Funded) -> int:
    """What all recipients get together, less what they pay of the fee."""
    return _amount_sat(draft) - (found.fee_sat if draft.subtract_fee else 0)


def _check_named(node: BitcoinNode, draft: Draft) -> None:
    """Refuse named coins that the wallet cannot spend; those that a transaction spends which waits are seen later."""
    if not draft.coins:
        return
    listed = {outpoint(one) for one in coins(node, draft.wallet)} | spenders(node, draft.coins).keys()
    errors = [*_wrong_coins(node, draft, listed)]
    if errors:
        raise Invalid(
            f"{len(errors)} of the named coins cannot be spent.",
            next_step="Name coins that list_unspent shows for this wallet, or none to have the wallet choose.",
            code="bitcoin/coins",
            errors=tuple(errors),
        )


def _wrong_coins(node: BitcoinNode, draft: Draft, listed: Collection[str]) -> Iterator[FieldError]:
    for index, coin in enumerate(draft.coins):
        if coin in listed:
            continue
        txid, _, vout = coin.partition(":")
        found = node.call("gettxout", txid, int(vout), True)
        if found is None:
            yield FieldError(f"/coins/{index}", "is spent already, or the node has never seen it")
        elif not is_own(node, draft.wallet, _address(found)):
            yield FieldError(f"/coins/{index}", "is not a coin of this wallet")
        elif found.get("coinbase") is True and found.get("confirmations", 0) < MATURE:
            yield FieldError(f"/coins/{index}", f"is a block's reward, which has to wait for {MATURE} confirmations")


def _address(found: Any) -> object:
    script = found.get("scriptPubKey") if isinstance(found, Mapping) else None
    return script.get("address") if isinstance(script, Mapping) else None


def _usable(node: BitcoinNode, draft: Draft, leased: Collection[str]) -> list[_Coin]:
    """What the wallet may spend for the draft."""
    listed = [one for one in coins(node, draft.wallet) if outpoint(one) not in leased]
    named = [one for one in listed if (outpoint(one) in draft.coins if draft.coins else one.get("safe") is not False)]
    try:
        return [
            _Coin(outpoint(one), sat_from_btc(one["amount"]), int(one["confirmations"]), one.get("ancestorcount", 1))
            for one in named
        ]
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None


def _reasons(node: BitcoinNode, draft: Draft, usable: Sequence[_Coin], locked_sat: Sequence[int]) -> Iterator[Failure]:
    """What the wallet's no can come from, the surest first."""
    has_sat, least_sat = _sum(usable), _amount_sat(draft) + (0 if draft.subtract_fee else 1)
    if has_sat < least_sat <= has_sat + sum(locked_sat):
        yield _locked(locked_sat)
    if has_sat < least_sat:
        yield _too_little(draft, has_sat)
    if draft.feerate_sat_per_kvb is None and not _has_estimate(node, draft.target_blocks):
        yield _unfit("/feerate_sat_per_kvb", "is needed: the node has no estimate yet")
    if (most_sat := _sum(_largest(usable))) < least_sat:
        yield _too_many(most_sat)
    if any(_left_sat(draft, index) < min(DUST_SAT.values()) for index in draft.subtract_fee):
        yield _unfit("/subtract_fee", "leaves a recipient too little, once its share of the fee is taken")
    if _sum([one for one in usable if one.ancestors < CHAIN]) < least_sat:
        yield _chain_too_long()
    if not _has_change(node, draft.wallet):
        yield _no_change_key()
    if has_sat < least_sat + draft.max_fee_sat:
        yield _locked(locked_sat) if locked_sat else _too_little(draft, has_sat)
    yield Refused(
        "The node's wallet refuses to build the transaction, though it has the coins.",
        next_step="Lower the feerate: the fee may be above the node's own -maxtxfee; else look at its debug.log.",
        code="bitcoin/not-built",
    )


def _has_estimate(node: BitcoinNode, blocks: int) -> bool:
    reply = node.call("estimatesmartfee", blocks)
    return isinstance(reply, Mapping) and "feerate" in reply


def _has_change(node: BitcoinNode, wallet: str) -> bool:
    try:
        wallet_call(node, wallet, "getrawchangeaddress")
    except Failure:
        return False
    return True


def _left_sat(draft: Draft, index: int) -> int:
    """What a recipient who shares the fee has left at worst."""
    fee_sat = max(draft.max_fee_sat, (draft.feerate_sat_per_kvb or 0) * USUAL_VSIZE // 1000)
    return draft.recipients[index].amount_sat - fee_sat // len(draft.subtract_fee)


def _amount_sat(draft: Draft) -> int:
    return sum(one.amount_sat for one in draft.recipients)


def _sum(found: Sequence[_Coin]) -> int:
    return sum(one.value_sat for one in found)


def _largest(usable: Sequence[_Coin]) -> list[_Coin]:
    return sorted(usable, key=lambda one: (one.confirmations > 0, one.value_sat), reverse=True)[:MAX_COINS]


def _too_little(draft: Draft, has_sat: int) -> Funds:
    whose = "The named coins have" if draft.coins else "The wallet can spend"
    return Funds(
        f"{whose} {has_sat} sat now, and {_amount_sat(draft)} sat and the fee are needed.",
        next_step="Fund the wallet, wait for confirmations or for payments that hold coins, or send less.",
        code=_NOT_FUNDED,
    )


def _locked(amounts_sat: Sequence[int]) -> Funds:
    return Funds(
        f"The wallet has too little without {len(amounts_sat)} coin(s), {sum(amounts_sat)} sat together, that are "
        "locked on the node and that no payment holds.",
        next_step="If nobody has locked them on purpose, unlock them there (lockunspent) or restart the node; then pay "
        "with a new Idempotency-Key.",
        code="bitcoin/coins-locked",
    )


def _too_many(most_sat: int) -> Invalid:
    return Invalid(
        f"The payment would need more than {MAX_COINS} coins; the largest ones have {most_sat} sat together.",
        next_step=f"Pay less at once; or join {MAX_COINS} coins first: name them, and pay yourself with subtract_fee.",
        code="bitcoin/too-many-coins",
        errors=(FieldError("/recipients", f"need more than {MAX_COINS} coins"),),
    )


def _chain_too_long() -> Precondition:
    return Precondition(
        f"The coins that would do wait in chains of {CHAIN} transactions, and nodes take no longer ones.",
        next_step="Repeat when the next block has come.",
        code="bitcoin/chain-too-long",
        retry_after_ms=60_000,
    )


def _no_change_key() -> Precondition:
    return Precondition(
        "The wallet has no key for change.",
        next_step="Import an active descriptor with `change`; or name coins and pay all they have with subtract_fee.",
        code="bitcoin/no-change-key",
    )


def _unfit(pointer: str, why: str) -> Invalid:
    return Invalid(
        "The payment cannot be built.",
        next_step="Correct the field listed in `errors`; nothing was sent.",
        code="bitcoin/payment",
        errors=(FieldError(pointer, why),),
    )
