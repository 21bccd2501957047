"""A transaction of somebody else that waits too long, paid for by a child: what it pays this wallet is spent again.

Miners take a child only with its parent (isthmus.bitcoin.packages), so a child that pays enough for both brings both
into a block. The child pays a fresh address of the same wallet, so nothing leaves it but the fee. It is no change
address: what has nothing but change is missing from the node's list of a wallet's transactions, and from all that
follows that list.
"""

from collections.abc import Collection
from dataclasses import dataclass

from isthmus.bitcoin import addresses
from isthmus.bitcoin.amounts import MSAT, btc, sat_from_btc
from isthmus.bitcoin.building import (
    MAX_COINS,
    against_policy,
    dust_sat,
    fee_above_cap,
    leased_coins,
    sign,
    spenders,
    verdict,
)
from isthmus.bitcoin.coins import coins, node_outpoint, outpoint
from isthmus.bitcoin.fees import estimate
from isthmus.bitcoin.funding import CHAIN
from isthmus.bitcoin.locks import locked_coins
from isthmus.bitcoin.packages import MAX_CLUSTER, Cluster, child_fee_sat, cluster, mined_at, package, reached
from isthmus.bitcoin.psbts import updated
from isthmus.bitcoin.views import undocumented, whole
from isthmus.bitcoin.wallets import has_device, wallet_call, watches_only
from isthmus.effects import Prepared
from isthmus.failure import NotFound, Precondition, Refused
from isthmus.ports import BitcoinNode


@dataclass(frozen=True)
class Child:
    """A fee for a transaction that waits and pays a wallet.

    Args:
        wallet: the node's name of the wallet.
        txid: of the transaction that waits.
        max_fee_sat: the child's fee may not be higher.
        feerate_sat_per_kvb: what both together shall reach, or None to have it estimated.
        target_blocks: for the estimate.
    """

    wallet: str
    txid: str
    max_fee_sat: int
    feerate_sat_per_kvb: int | None
    target_blocks: int


@dataclass(frozen=True)
class _Unsigned:
    psbt: str
    fee_sat: int


def prepare(node: BitcoinNode, request: Child, leased: Collection[str]) -> Prepared:
    """Build and sign the child, and have the node try it, without sending it. It costs its fee.

    Raises:
        NotFound: the wallet does not know the transaction.
        Precondition: it does not wait, or in too long a chain; a payment holds what it pays; the wallet has no keys.
        Refused: it is mined or paid for already, pays nothing that could be spent, or too little; nothing was sent.
    """
    entries = _waiting(node, request)
    feerate = request.feerate_sat_per_kvb
    if feerate is None:
        feerate = estimate(node, request.target_blocks, "economical").recommended_sat_per_kvb
    if (now := mined_at(entries, request.txid)) >= feerate:
        raise _paid_for(now, feerate)
    unsigned = _built(node, request, entries, feerate, _spendable(node, request, leased))
    if unsigned.fee_sat > request.max_fee_sat:
        raise fee_above_cap(unsigned.fee_sat, request.max_fee_sat)
    signed = sign(node, request.wallet, unsigned.psbt)
    if verdict(node, signed.raw).get("allowed") is not True:
        raise _too_long() if _is_too_long(entries, request.txid) else against_policy()
    return Prepared(
        identity=signed.txid,
        payload=signed.raw,
        max_msat=unsigned.fee_sat * MSAT,
        leases=signed.coins,
        detail={
            "method": "child",
            "txid": signed.txid,
            "wallet": request.wallet,
            "parent_txid": request.txid,
            "replaces_txid": None,
            "amount_sat": 0,
            "fee_sat": unsigned.fee_sat,
            "vsize": signed.vsize,
            "change_index": 0,
            "feerate_sat_per_kvb": reached(node, signed.coins, unsigned.fee_sat, signed.vsize),
        },
    )


def _waiting(node: BitcoinNode, request: Child) -> Cluster:
    """The transaction, which the wallet knows and could spend, and all that hangs together with it."""
    if watches_only(node, request.wallet) and not has_device(node, request.wallet):
        raise Precondition(
            "The wallet only watches: it has no keys to spend what is paid to it.",
            next_step="Spend it where its keys are; build_transaction makes a PSBT for that.",
            code="bitcoin/watches-only",
        )
    try:
        confirmations = int(wallet_call(node, request.wallet, "gettransaction", request.txid)["confirmations"])
    except NotFound:
        raise _unknown() from None
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None
    if confirmations != 0:
        raise _decided(mined=confirmations > 0)
    entries = cluster(node, [request.txid])
    if request.txid not in entries:
        raise _not_waiting()
    if len(entries) > MAX_CLUSTER:
        raise _too_long()
    return entries


def _spendable(node: BitcoinNode, request: Child, leased: Collection[str]) -> list[tuple[str, int]]:
    """What the transaction pays the wallet and nobody holds, as outpoints and satoshi, the largest first."""
    own = {outpoint(one): one for one in coins(node, request.wallet, max_confirmations=0)}
    mine = [one for one in own if one.startswith(f"{request.txid}:")]
    locked = [one for one in locked_coins(node, request.wallet) if one.startswith(f"{request.txid}:")]
    spent = spenders(node, mine)
    free = [(one, sat_from_btc(own[one]["amount"])) for one in mine if one not in leased and one not in spent]
    if free:
        return sorted(free, key=lambda one: -one[1])[:MAX_COINS]
    if held := set(mine + locked) & set(leased):
        raise leased_coins(len(held))
    raise _locked(len(locked)) if locked else _nothing()


def _built(node: BitcoinNode, request: Child, entries: Cluster, feerate: int, free: list[tuple[str, int]]) -> _Unsigned:
    """The child, with as few of the coins as its fee and an output that is relayed take."""
    address = _text(wallet_call(node, request.wallet, "getnewaddress"))
    decoded = addresses.decode(address)
    least = dust_sat(decoded.script_type if isinstance(decoded, addresses.Decoded) else "")
    for number in range(1, len(free) + 1):
        inputs = [node_outpoint(coin) for coin, _ in free[:number]]
        total = sum(sat for _, sat in free[:number])
        fee_sat = child_fee_sat(entries, request.txid, _vsize(node, request.wallet, inputs, address, total), feerate)
        if total - fee_sat >= least:
            return _Unsigned(_psbt(node, inputs, address, total - fee_sat), fee_sat)
    raise Refused(
        f"What the transaction pays the wallet is too little: less than {least} sat would be left after the fee.",
        next_step="Ask for a lower feerate, or have its sender raise the fee; nothing was sent.",
        code="bitcoin/child-dust",
    )


def _vsize(node: BitcoinNode, wallet: str, inputs: list[dict[str, object]], address: str, total_sat: int) -> int:
    """How large the child will be when it is signed, at most."""
    draft = updated(node, wallet, _psbt(node, inputs, address, total_sat))
    try:
        return whole(node.call("analyzepsbt", draft)["estimated_vsize"])
    except (LookupError, TypeError):
        raise undocumented() from None


def _psbt(node: BitcoinNode, inputs: list[dict[str, object]], address: str, amount_sat: int) -> str:
    """Unsigned, and signalling that it may be replaced (BIP 125)."""
    return _text(node.call("createpsbt", inputs, [{address: btc(amount_sat)}], 0, True))


def _text(reply: object) -> str:
    if not isinstance(reply, str):
        raise undocumented()
    return reply


def _is_too_long(entries: Cluster, parent: str) -> bool:
    """Whether a further child would be more than nodes take by default: the likely reason of a no."""
    ancestors = package(entries, parent)
    below = [sum(one in package(entries, other) for other in entries) for one in ancestors]
    return max(len(ancestors), *below) >= CHAIN


def _unknown() -> NotFound:
    return NotFound(
        "The wallet knows no such transaction.",
        next_step="Check txid and wallet; ask again when it has reached the node.",
        code="bitcoin/no-transaction",
    )


def _decided(*, mined: bool) -> Refused:
    if mined:
        return Refused("The transaction is mined.", next_step="Nothing is left to be done.", code="bitcoin/confirmed")
    return Refused(
        "A block has another transaction that spends the same coins, so this one is never mined.",
        next_step="Ask its sender to pay again.",
        code="bitcoin/conflicted",
    )


def _not_waiting() -> Precondition:
    return Precondition(
        "The node's mempool does not have the transaction, so no child of it would be taken.",
        next_step="Have it broadcast again, or its sender raise the fee; then repeat.",
        code="bitcoin/not-waiting",
    )


def _paid_for(now: int, wanted: int) -> Refused:
    return Refused(
        f"The transaction is mined at {now} sat/kvB already, and {wanted} sat/kvB is not more.",
        next_step="Ask for a higher feerate, if it waits nevertheless.",
        code="bitcoin/feerate-reached",
    )


def _nothing() -> Refused:
    return Refused(
        "The transaction pays this wallet nothing that is unspent.",
        next_step="Name the wallet that it pays. If its output is spent by what waits, raise the fee of that.",
        code="bitcoin/nothing-to-spend",
    )


def _locked(count: int) -> Precondition:
    return Precondition(
        f"{count} output(s) of the transaction are locked in the node's wallet, and no payment holds them.",
        next_step="Unlock them on the node (lockunspent) if nobody needs the lock, then repeat.",
        code="bitcoin/coins-locked",
    )


def _too_long() -> Precondition:
    return Precondition(
        "Too many transactions that wait hang together; nodes take no further child.",
        next_step="Repeat when some of them are mined, or have the sender raise the fee.",
        code="bitcoin/chain-too-long",
        retry_after_ms=60_000,
    )
