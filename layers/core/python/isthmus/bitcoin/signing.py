"""Signatures of a wallet on what others have built, for the ledger: given away once, and counted as spent.

Whoever has a signed transaction can broadcast it, any time and without asking: money that may leave has left, as far
as limits and budgets go. So a signature is an effect like a payment, with what it lets go as its amount, and it happens
the moment it is recorded, since a record can always be read again. What nobody broadcasts stays counted; what this
system broadcasts later is counted a second time, since nobody can tell here whose signatures a transaction has.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from isthmus.bitcoin.amounts import MSAT
from isthmus.bitcoin.broadcasting import above_limit, distinct_coins, others_sat, would_replace
from isthmus.bitcoin.building import leased_coins, spenders, synced_chain
from isthmus.bitcoin.payments import CONNECTOR as PAYMENTS
from isthmus.bitcoin.psbts import State, decode, signed, updated
from isthmus.effects import Outcome, Prepared, Succeeded
from isthmus.failure import FieldError, Invalid, Precondition
from isthmus.ledger.records import leased
from isthmus.ports import BitcoinNode
from isthmus.storage.table import Table

CONNECTOR = "bitcoin-signature"
MAX_SIGNED = 350_000
"""Characters: what the store takes in one item."""

_WHOLE = frozenset({None, "ALL", "DEFAULT"})
"""What a signature may cover: all inputs and outputs."""


@dataclass(frozen=True)
class ToSign:
    """A PSBT for a wallet.

    Args:
        wallet: the node's name of the wallet that signs.
        psbt: base64.
        max_spent_sat: what leaves the wallet by it may not be more, the fee included.
    """

    wallet: str
    psbt: str
    max_spent_sat: int


@dataclass(frozen=True)
class Signatures:
    """The connector: the keys of one node's wallets.

    Args:
        node: the node.
        leased: the coins that unsettled payments have leased.
    """

    node: BitcoinNode
    leased: Callable[[], Collection[str]]

    def prepare(self, request: ToSign) -> Prepared:
        """Have the wallet sign, after it was seen what that lets go; the signature is not given away yet.

        Raises:
            Invalid: it is no PSBT, or asks for a signature that leaves others free to change what is paid.
            Precondition: the wallet has none of the keys, or is locked, or a payment holds a coin; the node has not its
                chain yet.
            Refused: more would leave than was said, or a transaction that waits spends the same coins.
        """
        synced_chain(self.node)
        known = updated(self.node, request.wallet, request.psbt)
        state = decode(self.node, known)
        coins = self._checked(state)
        spent_sat = self._leaving(state, request.wallet)
        if spent_sat > request.max_spent_sat:
            raise above_limit(spent_sat, request.max_spent_sat)
        psbt = signed(self.node, request.wallet, known)
        complete = all(one.final for one in decode(self.node, psbt).inputs)
        if psbt == known and not complete:
            raise Precondition(
                "The wallet has no key that signs anything of this.",
                next_step="Choose the wallet whose coins it spends.",
                code="bitcoin/nothing-to-sign",
            )
        if len(psbt) > MAX_SIGNED:
            raise _unusable("is too large with the transactions that it spends from")
        detail = {
            "txid": state.txid,
            "wallet": request.wallet,
            "spent_sat": spent_sat,
            "fee_sat": state.fee_sat,
            "complete": complete,
        }
        return Prepared(state.txid, psbt, spent_sat * MSAT, coins, detail)

    def send(self, prepared: Prepared) -> Outcome:
        """It is recorded, and so it is given away."""
        return Succeeded(prepared.max_msat)

    def look_up(self, prepared: Prepared) -> Outcome:
        """The same."""
        return Succeeded(prepared.max_msat)

    def _checked(self, state: State) -> tuple[str, ...]:
        if not state.valid:
            raise _unusable("contradicts itself")
        if state.fee_sat is not None and state.fee_sat < 0:
            raise _unusable("pays more than it spends")
        if any(one.sighash not in _WHOLE for one in state.inputs):
            raise _unusable("asks for signatures that do not cover all inputs and outputs")
        coins = distinct_coins([{"txid": one.txid, "vout": one.vout} for one in state.inputs], "/psbt")
        if taken := set(coins) & set(self.leased()):
            raise leased_coins(len(taken))
        if set(spenders(self.node, coins).values()) - {state.txid}:
            raise would_replace()
        return coins

    def _leaving(self, state: State, wallet: str) -> int:
        """All that is spent, less what comes back to the wallet: too much, if others pay a part, and never too little.

        The wallet has added what it knows of its own coins, so an input without a value is none of its own.
        """
        spent = sum(one.value_sat for one in state.inputs if one.value_sat is not None)
        made = [one for one in state.outputs if isinstance(one, dict)]
        total = others_sat(self.node, "", made)
        return max(0, spent - (total - others_sat(self.node, wallet, made)))


def connector(table: Table, node: BitcoinNode) -> Signatures:
    """The connector over a node, which leaves alone what unsettled payments have leased."""
    return Signatures(node, lambda: leased(table, PAYMENTS))


def _unusable(why: str) -> Invalid:
    return Invalid(
        "The PSBT is not signed.",
        next_step="Build it anew, and look at it with decode_psbt.",
        code="bitcoin/psbt",
        errors=(FieldError("/psbt", why),),
    )
