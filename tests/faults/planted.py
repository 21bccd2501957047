"""Bugs of the field, planted on purpose: ledgers, connectors and a node's wallet that do one thing wrong each."""

from dataclasses import dataclass, replace
from typing import Any, cast

from isthmus import journal
from isthmus.access import budgets
from isthmus.bitcoin import payments, signing
from isthmus.bitcoin.broadcasting import RawTransaction
from isthmus.bitcoin.building import Draft, Recipient
from isthmus.bitcoin.cpfp import Child
from isthmus.bitcoin.payments import BitcoinPayments
from isthmus.bitcoin.replacing import Bump
from isthmus.bitcoin.signing import Signatures, ToSign
from isthmus.effects import Outcome, Prepared, Refused, Succeeded, Unknown
from isthmus.failure import Failure
from isthmus.journal import Change, Head
from isthmus.ledger.engine import Ledger
from isthmus.ledger.records import FINAL, PAYMENT, UNSETTLED, Intent, prepared_of
from isthmus.ports import BitcoinNode
from isthmus.storage.table import Put, Table, Write
from tests.faults import spends
from tests.faults.node import TILL
from tests.faults.trial import ADDRESS, AMOUNT_SAT, Makes, Spend

GONE = Refused("refused", "test/gone", "No trace of it.", "Pay again.", for_good=True)


@dataclass(frozen=True)
class Bug:
    """What is wrong, and in which operation it is found.

    Args:
        spend: the operation.
        breaks: the invariant that shows it first.
        engine: the ledger.
        makes: the connector.
    """

    spend: Spend
    breaks: str
    engine: type[Ledger] = Ledger
    makes: Makes | None = None

    def __str__(self) -> str:
        return (self.makes or self.engine).__name__


# ledgers


class NoAnswerIsNo(Ledger):
    """Takes a lost answer for a failure, as wallets of the field do."""

    def _record(self, head: Head, outcome: Outcome, *, first: bool) -> Head:
        return super()._record(head, GONE if isinstance(outcome, Unknown) else outcome, first=first)


class EveryNoIsFinal(Ledger):
    """Believes a refusal though an earlier copy may still arrive."""

    def _record(self, head: Head, outcome: Outcome, *, first: bool) -> Head:
        final = replace(outcome, for_good=True) if isinstance(outcome, Refused) else outcome
        return super()._record(head, final, first=first)


class PaysAnew(Ledger):
    """Makes another transaction when the first was lost."""

    def settle(self, head: Head) -> Head:
        if head.state in FINAL:
            return head
        again = self.connectors["bitcoin"].prepare(spends.WANTED)
        return self._record(head, self.connectors["bitcoin"].send(again), first=False)


class SendsBeforeItRecords(Ledger):
    """Writes down what it has sent, afterwards."""

    def _recorded(self, change: Change, also: list[Write]) -> Head:
        self.connectors["bitcoin"].send(prepared_of(change.head))
        return super()._recorded(change, also)


class ForgetsItsLeases(Ledger):
    """Never gives back the coins of a settled payment."""

    def _also(self, change: Change, now_ms: int) -> list[Write]:
        return [one for one in super()._also(change, now_ms) if not one.pk.startswith("ledger/leases")]


class KeepsTheReservation(Ledger):
    """Never gives back the budget of a refused payment, nor books that of a paid one."""

    def _also(self, change: Change, now_ms: int) -> list[Write]:
        return [one for one in super()._also(change, now_ms) if not one.pk.startswith(budgets.BUDGETS)]


class GivesBackEarly(Ledger):
    """Frees the budget as soon as the answer is lost."""

    def _also(self, change: Change, now_ms: int) -> list[Write]:
        found = super()._also(change, now_ms)
        if change.head.state != "unknown":
            return found
        by, payment_id = change.head.data["by"], change.head.data["payment_id"]
        item, mark = self.table.get(budgets.BUDGETS, by), self.table.get(budgets.marks(by), payment_id)
        return [*found, *budgets.freeing(item, mark, by, payment_id, now_ms)]


class ListsItLater(Ledger):
    """Puts a payment into the list of the unsettled after it has recorded it, not with it."""

    def _recorded(self, change: Change, also: list[Write]) -> Head:
        head = super()._recorded(change, [one for one in also if one.pk != UNSETTLED])
        for one in also:
            if isinstance(one, Put) and one.pk == UNSETTLED:
                self.table.put(one.pk, one.sk, one.item)
        return head


class TakesItOffTheListEarly(Ledger):
    """Takes a payment off the list as soon as somebody looks after it."""

    def _looked_after(self, payment_id: str, looks: int) -> str:
        self.table.delete(UNSETTLED, payment_id)
        return super()._looked_after(payment_id, looks)


class SaysNoWithoutRecording(Ledger):
    """Refuses a repetition while the record of the first call may still come."""

    def _declined(self, head: Head, intent: Intent, failure: Failure) -> Head:
        found = journal.load(self.table, head.aggregate)
        if found is not None:
            return found
        raise failure


class TellsNobody(Ledger):
    """Changes the record without its event in the outbox."""

    def _apply(self, head: Head, event: str, data: dict[str, Any]) -> Head:
        now_ms = self.now_ms()
        change = journal.draft(PAYMENT, head, event, data, now_ms=now_ms, by=head.data["by"])
        rows = [one for one in journal.writes(change) if one.pk != journal.OUTBOX]
        self.table.transact([*rows, *self._also(change, now_ms)])
        return change.head


class BooksNothing(Ledger):
    """Books a payment as free of charge."""

    def _record(self, head: Head, outcome: Outcome, *, first: bool) -> Head:
        return super()._record(head, Succeeded(0) if isinstance(outcome, Succeeded) else outcome, first=first)


class GivesUpAfterTheCrash(Ledger):
    """Refuses a payment that is still being sent, because whoever sent it must be gone."""

    def settle(self, head: Head) -> Head:
        return self._record(head, GONE, first=False) if head.state == "sending" else super().settle(head)


class NamesNoReplacement(Ledger):
    """Leaves the record of the replaced payment as it was."""

    def _replaced(self, change: Change, now_ms: int) -> list[Write]:
        return []


class BumpsAnotherTime(Ledger):
    """Builds the replacement anew when the answer to the first was lost."""

    def settle(self, head: Head) -> Head:
        if head.state in FINAL:
            return head
        again = self.connectors["bitcoin"].prepare(spends.BUMP.asked("main"))
        return self._record(head, self.connectors["bitcoin"].send(again), first=False)


class GivesAwayUnrecorded(Ledger):
    """Gives a signature away though the store did not say that it has it."""

    def _recorded(self, change: Change, also: list[Write]) -> Head:
        try:
            return super()._recorded(change, also)
        except Failure:
            return replace(change.head, state="succeeded")


class SignsAgain(Ledger):
    """Has the wallet sign anew for a key that it has signed for."""

    def pay(self, intent: Intent, request: Any, limits: budgets.Limits) -> Head:
        head = super().pay(intent, request, limits)
        (connector,) = self.connectors.values()
        return replace(head, data=head.data | {"payload": connector.prepare(request).payload})


# connectors


@dataclass(frozen=True)
class AbsentIsNo(BitcoinPayments):
    """Takes what the node has never seen for refused."""

    def look_up(self, prepared: Prepared) -> Outcome:
        found = super().look_up(prepared)
        return GONE if isinstance(found, Unknown) and found.seen is False else found


@dataclass(frozen=True)
class MinedIsNo(BitcoinPayments):
    """Takes it for a failure that the transaction is in a block already."""

    def send(self, prepared: Prepared) -> Outcome:
        try:
            return Succeeded(prepared.max_msat * bool(self.node.call("sendrawtransaction", prepared.payload)))
        except Failure as failure:
            return GONE if failure.upstream and failure.upstream.code == -27 else Unknown(failure.code)


@dataclass(frozen=True)
class CountsWhatWasThere(BitcoinPayments):
    """Has the caller pay for what the network had already."""

    def prepare(self, request: Draft | RawTransaction | Bump | Child) -> Prepared:
        prepared = super().prepare(request)
        return replace(prepared, max_msat=prepared.max_msat or 50_300_000)


@dataclass(frozen=True)
class SpentIsSpentByOthers(BitcoinPayments):
    """Takes it for a failure that a block spends the coins, though the transaction itself may have."""

    def _by_whom(self, prepared: Prepared) -> Outcome:
        return GONE


@dataclass(frozen=True)
class CountsNothing(Signatures):
    """Takes a signature for free, as long as nobody sends it."""

    def prepare(self, request: ToSign) -> Prepared:
        return replace(super().prepare(request), max_msat=0)


@dataclass(frozen=True)
class WaitsForTheNetwork(Signatures):
    """Takes a signature for settled only when the network has the transaction."""

    def send(self, prepared: Prepared) -> Outcome:
        return Unknown("test/not-seen")

    def look_up(self, prepared: Prepared) -> Outcome:
        return Unknown("test/not-seen")


@dataclass(frozen=True)
class LeasesOldCoinsOnly(BitcoinPayments):
    """Does not hold the coins that a replacement spends beside those of the payment."""

    def prepare(self, request: Draft | RawTransaction | Bump | Child) -> Prepared:
        prepared = super().prepare(request)
        return replace(prepared, leases=prepared.leases[:1])


@dataclass(frozen=True)
class PaysBesides(BitcoinPayments):
    """Pays the recipients anew with other coins, where the payment should be replaced."""

    def prepare(self, request: Draft | RawTransaction | Bump | Child) -> Prepared:
        if not isinstance(request, Bump):
            return super().prepare(request)
        prepared = super().prepare(Draft(TILL, [Recipient(ADDRESS, AMOUNT_SAT)], 1_000))
        about = {"method": "replacement", "parent_txid": None, "replaces_txid": None, "feerate_sat_per_kvb": 1_000}
        return replace(prepared, detail=prepared.detail | about, max_msat=600_000)


@dataclass(frozen=True)
class CountsTheOldFeeAgain(BitcoinPayments):
    """Has the caller pay the whole new fee, though the old one is not paid any more."""

    def prepare(self, request: Draft | RawTransaction | Bump | Child) -> Prepared:
        prepared = super().prepare(request)
        return replace(prepared, max_msat=1_000 * prepared.detail["fee_sat"])


@dataclass(frozen=True)
class CountsTheParent(BitcoinPayments):
    """Has the caller pay for what a child only moves."""

    def prepare(self, request: Draft | RawTransaction | Bump | Child) -> Prepared:
        prepared = super().prepare(request)
        return replace(prepared, max_msat=prepared.max_msat + 40_000_000)


@dataclass(frozen=True)
class WaitingIsGone(BitcoinPayments):
    """Takes a coin that still waits for one that is spent."""

    def look_up(self, prepared: Prepared) -> Outcome:
        found = super().look_up(prepared)
        absent = [one for one in prepared.leases if self.node.call("gettxout", one[:64], int(one[65:]), False) is None]
        return GONE if absent and isinstance(found, Unknown) else found


@dataclass(frozen=True)
class Blind:
    """A node that is never asked what waits."""

    node: BitcoinNode

    def call(self, method: str, *params: Any, **how: Any) -> Any:
        reply = self.node.call(method, *params, **how)
        if method != "gettxspendingprevout" or not isinstance(reply, list):
            return reply
        return [{"txid": one["txid"], "vout": one["vout"]} for one in params[0]]


@dataclass(frozen=True)
class KeepsLocks:
    """A node whose coins are locked, and not unlocked."""

    node: BitcoinNode

    def call(self, method: str, *params: Any, **how: Any) -> Any:
        return True if method == "lockunspent" and params[0] else self.node.call(method, *params, **how)


def _pays(kind: type[BitcoinPayments]) -> Makes:
    def makes(table: Table, node: BitcoinNode) -> BitcoinPayments:
        real = payments.connector(table, node)
        return kind(real.node, real.leased, real.paid)

    makes.__name__ = kind.__name__
    return makes


def _signs(kind: type[Signatures]) -> Makes:
    def makes(table: Table, node: BitcoinNode) -> Signatures:
        return kind(node, signing.connector(table, node).leased)

    makes.__name__ = kind.__name__
    return makes


def _through(kind: type[Blind | KeepsLocks]) -> Makes:
    def makes(table: Table, node: BitcoinNode) -> BitcoinPayments:
        return payments.connector(table, cast(BitcoinNode, kind(node)))

    makes.__name__ = kind.__name__
    return makes


def signs_what_is_held(_: Table, node: BitcoinNode) -> Signatures:
    """Signs without a look at what payments hold."""
    return Signatures(node, lambda: ())


_SEND, _BROADCAST, _SIGN = spends.SEND_PAYMENT, spends.BROADCAST_TRANSACTION, spends.SIGN_TRANSACTION
_BUMP, _CHILD = spends.BUMP_FEE, spends.CHILD_FEE

BUGS = (
    Bug(_SEND, "I3", NoAnswerIsNo),
    Bug(_SEND, "I2", EveryNoIsFinal),
    Bug(_SEND, "I1", PaysAnew),
    Bug(_SEND, "I1", SendsBeforeItRecords),
    Bug(_SEND, "I8", ForgetsItsLeases),
    Bug(_SEND, "I8", KeepsTheReservation),
    Bug(_SEND, "I8", GivesBackEarly),
    Bug(_SEND, "I5", ListsItLater),
    Bug(_SEND, "I5", TakesItOffTheListEarly),
    Bug(_SEND, "I3", SaysNoWithoutRecording),
    Bug(_SEND, "I7", TellsNobody),
    Bug(_SEND, "I8", BooksNothing),
    Bug(_SEND, "I2", GivesUpAfterTheCrash),
    Bug(_BUMP, "I2", NamesNoReplacement),
    Bug(_BUMP, "I5", BumpsAnotherTime),
    Bug(_SIGN, "I2", GivesAwayUnrecorded),
    Bug(_SIGN, "I1", SignsAgain),
    Bug(_SEND, "I2", makes=_pays(AbsentIsNo)),
    Bug(_SEND, "I8", makes=_through(KeepsLocks)),
    Bug(_BROADCAST, "I2", makes=_pays(MinedIsNo)),
    Bug(_BROADCAST, "I8", makes=_pays(CountsWhatWasThere)),
    Bug(_BROADCAST, "I2", makes=_pays(SpentIsSpentByOthers)),
    Bug(_BROADCAST, "I9", makes=_through(Blind)),
    Bug(_SIGN, "I8", makes=_signs(CountsNothing)),
    Bug(_SIGN, "I5", makes=_signs(WaitsForTheNetwork)),
    Bug(_SIGN, "I9", makes=signs_what_is_held),
    Bug(_BUMP, "I9", makes=_pays(LeasesOldCoinsOnly)),
    Bug(_BUMP, "I1", makes=_pays(PaysBesides)),
    Bug(_BUMP, "I8", makes=_pays(CountsTheOldFeeAgain)),
    Bug(_CHILD, "I8", makes=_pays(CountsTheParent)),
    Bug(_CHILD, "I2", makes=_pays(WaitingIsGone)),
)
