"""Transactions in the making: from recipients to a funded and signed transaction that nobody has seen yet.

Sources: BIP 174 (PSBT), BIP 125 (replacement), Bitcoin Core's GetDustThreshold (policy/policy.cpp).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.bitcoin import addresses
from isthmus.bitcoin.addresses import Decoded
from isthmus.bitcoin.amounts import btc, sat_from_btc
from isthmus.bitcoin.coins import node_outpoint
from isthmus.bitcoin.locks import locked
from isthmus.bitcoin.psbts import finalized, signed
from isthmus.bitcoin.views import undocumented, whole
from isthmus.bitcoin.wallets import wallet_call, watches_only
from isthmus.failure import Failure, FieldError, Invalid, Precondition, Refused
from isthmus.ports import BitcoinNode

MAX_RECIPIENTS = 100
MAX_COINS = 60
"""Inputs at most: each is leased in one transaction of the store, which takes a hundred writes."""

DUST_SAT = {"p2pkh": 546, "p2sh": 540, "p2wpkh": 294, "p2wsh": 330, "p2tr": 330}
"""What an output must hold to be relayed, at the default dust feerate of 3,000 sat/kvB."""

_OTHER_DUST_SAT = 354


@dataclass(frozen=True)
class Recipient:
    """Whom to pay how much."""

    address: str
    amount_sat: int


@dataclass(frozen=True)
class Draft:
    """A transaction as it is wanted.

    Args:
        wallet: the node's name of the wallet that pays.
        recipients: whom to pay.
        max_fee_sat: the fee may not be higher.
        feerate_sat_per_kvb: the feerate, or None to have the node estimate it.
        target_blocks: for the estimate.
        subtract_fee: the recipients, by index, who share the fee.
        coins: outpoints `txid:vout` to spend; the wallet adds none to them. Empty: the wallet chooses.
        replaceable: whether it signals BIP 125.
    """

    wallet: str
    recipients: Sequence[Recipient]
    max_fee_sat: int
    feerate_sat_per_kvb: int | None = None
    target_blocks: int = 6
    subtract_fee: Sequence[int] = ()
    coins: Sequence[str] = ()
    replaceable: bool = True


@dataclass(frozen=True)
class Funded:
    """A draft with inputs and change, unsigned."""

    psbt: str
    fee_sat: int
    change_index: int | None


@dataclass(frozen=True)
class Signed:
    """A transaction that could be sent."""

    txid: str
    raw: str
    vsize: int
    coins: tuple[str, ...]


def check(node: BitcoinNode, draft: Draft) -> None:
    """Refuse what can be seen to be wrong before anything is asked of the wallet.

    Raises:
        Invalid: an address is not one of the node's network, an amount is dust, something is named twice; all at once.
        Precondition: the node is still downloading the chain.
    """
    errors = [*_wrong_recipients(draft, synced_chain(node)), *_wrong_choices(draft)]
    if errors:
        raise Invalid(
            f"{len(errors)} field(s) of the payment were refused.",
            next_step="Correct the fields listed in `errors`; nothing was sent.",
            code="bitcoin/payment",
            errors=tuple(errors),
        )


def synced_chain(node: BitcoinNode) -> str:
    """The node's network, when it has its chain.

    Raises:
        Precondition: the node is still downloading it; regtest has nothing to download, whatever its node says.
    """
    chain = node.call("getblockchaininfo")
    if not isinstance(chain, dict) or not isinstance(chain.get("chain"), str):
        raise undocumented()
    if chain.get("initialblockdownload") is True and chain["chain"] != "regtest":
        raise Precondition(
            "The node is still downloading the chain, so it does not know which coins there are.",
            next_step="Repeat when get_chain_info says that the initial download is over.",
            code="bitcoin/syncing",
            retry_after_ms=60_000,
        )
    return str(chain["chain"])


def _wrong_recipients(draft: Draft, chain: str) -> Iterator[FieldError]:
    seen: set[bytes] = set()
    for index, one in enumerate(draft.recipients):
        decoded = addresses.decode(one.address)
        at = f"/recipients/{index}"
        if not isinstance(decoded, Decoded):
            yield FieldError(f"{at}/address", f"is no address: {decoded}")
            continue
        if chain not in decoded.networks:
            yield FieldError(f"{at}/address", f"is an address of another network than {chain}")
        if decoded.script_pubkey in seen:
            yield FieldError(f"{at}/address", "is named twice; add the amounts up")
        seen.add(decoded.script_pubkey)
        dust = dust_sat(decoded.script_type)
        if one.amount_sat < dust:
            yield FieldError(f"{at}/amount_sat", f"is dust: the network relays {dust} sat or more to such an address")


def _wrong_choices(draft: Draft) -> Iterator[FieldError]:
    if len(set(draft.coins)) != len(draft.coins):
        yield FieldError("/coins", "names an outpoint twice")
    if len(set(draft.subtract_fee)) != len(draft.subtract_fee):
        yield FieldError("/subtract_fee", "names a recipient twice")
    if any(not 0 <= index < len(draft.recipients) for index in draft.subtract_fee):
        yield FieldError("/subtract_fee", "names a recipient that is not there; the first is 0")


def dust_sat(script_type: str) -> int:
    """What an output of a type must hold to be relayed."""
    return DUST_SAT.get(script_type, _OTHER_DUST_SAT)


def fund(node: BitcoinNode, draft: Draft, leased: Collection[str] = ()) -> Funded:
    """Choose coins and change; coins that another payment has leased are left alone.

    Raises:
        Funds: the wallet cannot.
        Refused: the fee would be above the cap.
    """
    if taken := sorted(set(draft.coins) & set(leased)):
        raise leased_coins(len(taken))
    inputs = [node_outpoint(coin) for coin in draft.coins]
    to = [{one.address: btc(one.amount_sat)} for one in draft.recipients]
    options = _options(draft) | _change(node, draft.wallet)
    with locked(node, draft.wallet, leased):
        reply = wallet_call(node, draft.wallet, "walletcreatefundedpsbt", inputs, to, 0, options)
    if not isinstance(reply, dict) or not isinstance(reply.get("psbt"), str):
        raise undocumented()
    try:
        fee_sat = sat_from_btc(reply["fee"])
    except (LookupError, ValueError):
        raise undocumented() from None
    if fee_sat > draft.max_fee_sat:
        raise fee_above_cap(fee_sat, draft.max_fee_sat)
    change = reply.get("changepos")
    return Funded(reply["psbt"], fee_sat, change if isinstance(change, int) and change >= 0 else None)


def sign(node: BitcoinNode, wallet: str, psbt: str) -> Signed:
    """Sign with the wallet's keys, and finalize.

    Raises:
        Precondition: the wallet is locked, or has not all the keys, or its device is not there.
        Refused: the device that has the keys did not sign.
    """
    raw = finalized(node, signed(node, wallet, psbt))
    if raw is None:
        raise Precondition(
            "The wallet has not all the keys that the transaction needs.",
            next_step="Make a PSBT with build_transaction, have all sign it, and send it with broadcast_transaction.",
            code="bitcoin/not-all-keys",
        )
    return decoded(node, raw)


def decoded(node: BitcoinNode, raw: str) -> Signed:
    """What a raw transaction is."""
    reply = node.call("decoderawtransaction", raw)
    try:
        coins = tuple(f"{one['txid']}:{int(one['vout'])}" for one in reply["vin"])
        return Signed(str(reply["txid"]), raw, whole(reply["vsize"]), coins)
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None


def spenders(node: BitcoinNode, coins: Collection[str]) -> dict[str, str]:
    """Which of the coins a transaction in the node's mempool spends, and its txid."""
    reply = node.call("gettxspendingprevout", [node_outpoint(coin) for coin in coins]) if coins else []
    if not isinstance(reply, list) or not all(isinstance(one, dict) for one in reply):
        raise undocumented()
    told = {f"{one.get('txid')}:{one.get('vout')}": one.get("spendingtxid") for one in reply}
    if told.keys() != set(coins):
        raise undocumented()
    return {coin: str(txid) for coin, txid in told.items() if txid is not None}


def verdict(node: BitcoinNode, raw: str) -> Mapping[str, Any]:
    """What the node says of a transaction that it is not sent; `allowed` says whether it would take it."""
    verdicts = node.call("testmempoolaccept", [raw])
    if not isinstance(verdicts, list) or len(verdicts) != 1 or not isinstance(verdicts[0], dict):
        raise undocumented()
    found: Mapping[str, Any] = verdicts[0]
    if not isinstance(found.get("allowed"), bool):
        raise undocumented()
    return found


def is_spent(node: BitcoinNode, coin: str) -> bool:
    """Whether the coin is spent or was never there, the mempool counted."""
    txid, _, vout = coin.partition(":")
    return node.call("gettxout", txid, int(vout), True) is None


def check_number(coins: Collection[str]) -> None:
    """Refuse more inputs than can be leased at once.

    Raises:
        Invalid: they are more.
    """
    if len(coins) > MAX_COINS:
        raise Invalid(
            f"The payment would need {len(coins)} coins; {MAX_COINS} is the limit.",
            next_step="Pay less at once, or join coins by a payment to yourself first.",
            code="bitcoin/too-many-coins",
        )


def against_policy() -> Refused:
    """The node's no before anything was sent; its reason is text and stays with it."""
    return Refused(
        "The node would not take the transaction into its mempool; nothing was sent.",
        next_step="Raise the feerate, or wait until what the wallet has sent before is confirmed.",
        code="bitcoin/policy",
    )


def fee_above_cap(fee_sat: int, cap_sat: int) -> Refused:
    """The fee is more than the caller wants to pay."""
    return Refused(
        f"The fee would be {fee_sat} sat, which is above the cap of {cap_sat} sat.",
        next_step="Raise max_fee_sat, lower the feerate, or wait for lower feerates; nothing was sent.",
        code="bitcoin/fee-above-cap",
    )


def feerate(sat_per_kvb: int) -> str:
    """The node's notation of a feerate: satoshi per virtual byte, with three decimals."""
    return f"{sat_per_kvb // 1000}.{sat_per_kvb % 1000:03d}"


def fee_options(feerate_sat_per_kvb: int | None, target_blocks: int) -> dict[str, Any]:
    """How the node is told the feerate, or to estimate it."""
    if feerate_sat_per_kvb is None:
        return {"conf_target": target_blocks, "estimate_mode": "economical"}
    return {"fee_rate": feerate(feerate_sat_per_kvb)}


def _options(draft: Draft) -> dict[str, Any]:
    return fee_options(draft.feerate_sat_per_kvb, draft.target_blocks) | {
        "add_inputs": not draft.coins,
        "subtractFeeFromOutputs": list(draft.subtract_fee),
        "replaceable": draft.replaceable,
        "lockUnspents": False,
        "include_unsafe": False,
    }


def _change(node: BitcoinNode, wallet: str) -> dict[str, str]:
    """Where change goes: segwit, as Knots would take p2pkh; a wallet that only watches may have no key of that type."""
    return {} if watches_only(node, wallet) else {"change_type": "bech32"}


def leased_coins(count: int) -> Failure:
    """The refusal to touch what a payment holds."""
    return Precondition(
        f"{count} of the named coins belong(s) to a payment that is not settled yet.",
        next_step="Wait until it is, or name other coins.",
        code="bitcoin/coins-leased",
    )
