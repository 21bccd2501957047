"""On-chain payments for the ledger: the identity is the txid, the payload the signed transaction.

A node answers the same transaction twice with the same txid, whether it waits or is mined; so sending again is safe.
Never `sendtoaddress`: its answer, when lost, leaves nothing to look up.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from isthmus import journal
from isthmus.bitcoin import broadcasting, cpfp, funding, replacing
from isthmus.bitcoin.amounts import MSAT
from isthmus.bitcoin.broadcasting import RawTransaction, would_replace
from isthmus.bitcoin.building import (
    MAX_COINS,
    Draft,
    Signed,
    against_policy,
    check,
    check_number,
    is_spent,
    sign,
    spenders,
    verdict,
)
from isthmus.bitcoin.cpfp import Child
from isthmus.bitcoin.objections import below_floor
from isthmus.bitcoin.replacing import Bump
from isthmus.bitcoin.seen import confirmations, decided, mined, waits
from isthmus.effects import Outcome, Pending, Prepared, Refused, Succeeded, Unknown
from isthmus.failure import Conflict, Failure, FieldError, Invalid, Unavailable
from isthmus.failure import Unknown as UnknownFailure
from isthmus.journal import Head
from isthmus.ledger.records import aggregate, leased
from isthmus.ports import BitcoinNode
from isthmus.storage.table import Table

CONNECTOR = "bitcoin"
_CONFIRMED_ALREADY = -27
_DEFINITE = frozenset({-25, -26})
"""Inputs missing or spent; against policy or consensus."""


@dataclass(frozen=True)
class BitcoinPayments:
    """The connector: one node's wallets.

    Args:
        node: the node.
        leased: the coins that unsettled payments have leased, as `txid:vout`.
        paid: the ledger's record of a payment, for what replaces one.
    """

    node: BitcoinNode
    leased: Callable[[], Collection[str]]
    paid: Callable[[str], Head | None] = lambda _: None

    def prepare(self, request: Draft | RawTransaction | Bump | Child) -> Prepared:
        """Build, sign and try the transaction without sending it.

        Raises:
            Invalid, Precondition, Funds, Refused: it cannot be done; nothing was sent.
            Unavailable: the node did not answer; nothing was sent.
        """
        try:
            match request:
                case Draft():
                    return self._payment(request)
                case RawTransaction():
                    return broadcasting.prepare(self.node, request, self.leased())
                case Bump():
                    return replacing.prepare(self.node, request, self.leased(), self.paid(request.payment_id))
                case Child():
                    return cpfp.prepare(self.node, request, self.leased())
        except UnknownFailure as lost:
            raise Unavailable(
                "The node did not answer while the transaction was prepared; nothing was sent.",
                next_step="Send the same request with the same Idempotency-Key again.",
                code=lost.code,
                upstream=lost.upstream,
            ) from lost

    def _payment(self, request: Draft) -> Prepared:
        check(self.node, request)
        held = self.leased()
        funded = funding.funded(self.node, request, held)
        signed = sign(self.node, request.wallet, funded.psbt)
        if len(signed.coins) > MAX_COINS and not request.coins:
            funded = funding.with_few_coins(self.node, request, held, funded.fee_sat)
            signed = sign(self.node, request.wallet, funded.psbt)
        self._try(signed, funded.fee_sat, chosen=not request.coins)
        amount_sat = funding.arriving_sat(request, funded)
        return Prepared(
            identity=signed.txid,
            payload=signed.raw,
            max_msat=(amount_sat + funded.fee_sat) * MSAT,
            leases=signed.coins,
            detail={
                "txid": signed.txid,
                "wallet": request.wallet,
                "amount_sat": amount_sat,
                "fee_sat": funded.fee_sat,
                "vsize": signed.vsize,
                "change_index": funded.change_index,
                "recipients": [{"address": one.address, "amount_sat": one.amount_sat} for one in request.recipients],
            },
        )

    def send(self, prepared: Prepared) -> Outcome:
        """Hand the transaction to the node, unless another one that waits spends the same coins.

        The node would take the better paying of the two, and that one would undo a payment that succeeded. Whatever
        the ledger pays holds its coins until it is in the mempool, so none of its payments can come between.
        """
        try:
            others = set(spenders(self.node, prepared.leases).values())
            if others - {prepared.identity, prepared.detail.get("replaces_txid")}:
                return _TAKEN
            answered = self.node.call("sendrawtransaction", prepared.payload)
        except Failure as failure:
            code = failure.upstream.code if failure.upstream else None
            if code == _CONFIRMED_ALREADY:
                return _succeeded(prepared)
            if code in _DEFINITE:
                return self._why(prepared, failure)
            return Unknown(failure.code)
        return _succeeded(prepared) if answered == prepared.identity else Unknown("bitcoin/undocumented")

    def look_up(self, prepared: Prepared) -> Outcome:
        """Whether the node has it: in the chain, as the wallet or an index knows, or in its mempool."""
        try:
            deep = confirmations(self.node, prepared.detail["wallet"], prepared.identity)
            if (deep is not None and deep > 0) or waits(self.node, prepared.identity):
                return _succeeded(prepared)
            if any(decided(self.node, coin) for coin in prepared.leases):
                return self._by_whom(prepared)
        except Failure as failure:
            return Unknown(failure.code)
        return Unknown("bitcoin/not-seen", seen=False)

    def _why(self, prepared: Prepared, failure: Failure) -> Outcome:
        """A definite no to this one sending; for good if an input is spent in a block. It may also be there already."""
        found = self.look_up(prepared)
        if isinstance(found, (Succeeded, Pending, Refused)):
            return found
        return Refused(
            kind=failure.kind,
            code=failure.code,
            reason=failure.detail,
            next_step=failure.next_step,
            for_good=False,
            system="bitcoin",
            upstream_code=str(failure.upstream.code) if failure.upstream else "",
        )

    def _by_whom(self, prepared: Prepared) -> Outcome:
        """What a block has decided: success if it is ours that spends the coins, and a refusal for good if it is not.

        It is asked last, since ours may have arrived and been mined meanwhile. A wallet knows all that it has signed;
        what others have signed is found in an index or by an output that is unspent, and else nobody can tell.
        """
        wallet, txid = prepared.detail["wallet"], prepared.identity
        if broadcasting.is_ours(prepared):
            there: bool | None = (confirmations(self.node, wallet, txid) or 0) > 0
        else:
            there = mined(self.node, wallet, txid, broadcasting.count_outputs(self.node, prepared.payload))
        if there is None:
            return Unknown("bitcoin/no-index")
        return _succeeded(prepared) if there else _EXCLUDED

    def _try(self, signed: Signed, fee_sat: int, *, chosen: bool) -> None:
        """Ask the node whether it would take it.

        Raises:
            Conflict: a coin that the wallet chose was spent meanwhile.
            Invalid: too many inputs to be leased at once, or the feerate is below what the node takes now.
            Refused: the node would not; its reason is text and stays with it.
        """
        check_number(signed.coins)
        taken = bool(spenders(self.node, signed.coins))
        if not taken and verdict(self.node, signed.raw).get("allowed") is True:
            return
        if chosen and (taken or any(is_spent(self.node, coin) for coin in signed.coins)):
            raise Conflict(
                "Another payment has taken a coin of this one meanwhile.",
                next_step="Send the same request with the same Idempotency-Key again.",
                code="bitcoin/coins-taken",
            )
        if taken:
            raise would_replace()
        floor = below_floor(self.node, fee_sat, signed.vsize)
        raise against_policy() if floor is None else _feerate_too_low(floor)


def _feerate_too_low(floor: int) -> Invalid:
    return Invalid(
        "The node does not take a transaction with such a low fee now; nothing was sent.",
        next_step="Raise the feerate; estimate_fee recommends one.",
        code="bitcoin/feerate-too-low",
        errors=(FieldError("/feerate_sat_per_kvb", f"is below the {floor} sat/kvB that the node asks for"),),
    )


_EXCLUDED = Refused(
    kind="conflict",
    code="bitcoin/inputs-spent",
    reason="A block has another transaction that spends the same coins, or those they come from.",
    next_step="Look at the wallet's history, then pay with a new Idempotency-Key.",
    for_good=True,
)

_TAKEN = Refused(
    kind="conflict",
    code="bitcoin/coins-taken",
    reason="Another transaction that waits spends the same coins, so this one was not sent.",
    next_step="Pay with a new Idempotency-Key, which chooses other coins.",
    for_good=False,
)


def _succeeded(prepared: Prepared) -> Succeeded:
    return Succeeded(prepared.max_msat)


def connector(table: Table, node: BitcoinNode) -> BitcoinPayments:
    """The connector over a node, which leaves alone what unsettled payments have leased."""
    return BitcoinPayments(
        node, lambda: leased(table, CONNECTOR), lambda payment_id: journal.load(table, aggregate(payment_id))
    )
