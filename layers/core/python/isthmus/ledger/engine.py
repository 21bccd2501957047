r"""The ledger: the one engine that spends. Money moves once or not at all, and it is always known which.

    prepare -> record (identity, payload, reserved budget, leases) -> send -> record what came of it
                                                                    \-> no answer: unknown, until somebody knows

What is recorded before it is sent can be sent again under the same identity by anybody, so that a crash at any moment
costs an answer and never money. A refusal counts as a failure only if no copy can be on its way: it answers the first
and only time it was sent, or it holds for good. Every further sending is recorded before, which takes that right from
whoever still waits for the first answer. What is not definite is in the list of the unsettled, whose owner is the
schedule of `reconcile_payments` and, at the end of its patience, a person.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from isthmus import journal
from isthmus.access import budgets
from isthmus.access.budgets import Limits
from isthmus.effects import Connector, Outcome, Prepared, Unknown
from isthmus.failure import Conflict, Defect, Failure, Integrity, Invalid, Unavailable
from isthmus.failure import Unknown as UnknownFailure
from isthmus.journal import Change, Head
from isthmus.ledger.records import (
    FINAL,
    LEASES,
    NOT_RECORDED,
    PATIENCE_MS,
    PAYMENT,
    TRIED,
    UNSETTLED,
    Intent,
    aggregate,
    agreeing,
    data_of,
    declined_of,
    due,
    event_of,
    key_reused,
    lease,
    location,
    may_be_replaced,
    prepared_of,
)
from isthmus.storage.table import Absent, Delete, Item, Put, Table, Write

_TRIES = 60
_LONGEST_PAUSE_S = 0.05


@dataclass(frozen=True)
class Ledger:
    """The engine over a table and the connectors by name."""

    table: Table
    connectors: Mapping[str, Connector]
    now_ms: Callable[[], int]

    def pay(self, intent: Intent, request: Any, limits: Limits) -> Head:
        """Make it happen once; the payment as it stands then, whatever that is.

        Args:
            intent: what shall happen once.
            request: what the connector prepares from.
            limits: of the caller's budget.

        Raises:
            Conflict: the key was used for another request.
            Limited: the caller's budget is used up.
            Unavailable: nothing was sent by this call; the same key again is safe.
            Unknown: whether it was recorded is not known; if so, it will be sent.
            Failure: whatever `prepare` refuses; nothing is sent, unless the key is used again and it is possible then.
        """
        known = journal.load(self.table, aggregate(intent.payment_id))
        head = known or journal.fresh(aggregate(intent.payment_id))
        if head.state in NOT_RECORDED and (known is None or _is_of(head, intent)):
            head, prepared = self._begin(head, intent, request, limits)
            if prepared is not None:
                return self._record(head, self.connectors[intent.connector].send(prepared), first=True)
        if not _is_of(head, intent):
            raise key_reused()
        return head

    def settle(self, head: Head) -> Head:
        """Find out more about a payment that is not definite, and send it again if nobody has it."""
        if head.state in FINAL:
            return head
        connector, prepared = self.connectors[head.data["connector"]], prepared_of(head)
        outcome = connector.look_up(prepared)
        if isinstance(outcome, Unknown) and outcome.seen is False and head.state in TRIED:
            try:
                head = self._apply(head, "resent", {"attempts": head.data["attempts"] + 1})
            except Conflict:
                return self._loaded(head.aggregate)
            outcome = connector.send(prepared)
        return self._record(head, outcome, first=False)

    def reconcile(self, *, until_ms: int) -> Counter[str]:
        """Settle what is due in the list of the unsettled, as far as time allows; how many are in which state then.

        Raises:
            Integrity: one contradicts its record or its budget; all the others were looked after as well.
        """
        states: Counter[str] = Counter()
        broken: Integrity | None = None
        after: str | None = None
        while True:
            page = self.table.query(UNSETTLED, after=after)
            for row in page.rows:
                if row.item["due_ms"] <= self.now_ms() < until_ms:
                    try:
                        states[self._looked_after(row.sk, row.item["looks"])] += 1
                    except Integrity as found:
                        broken = found
            after = page.after
            if after is None or self.now_ms() >= until_ms:
                break
        if broken is not None:
            raise broken
        return states

    def change(self, head: Head, event: str, data: Item, *, by: str) -> Head:
        """Let an event happen to a payment, with all that belongs to it: its place in the list, budget and leases.

        Raises:
            Conflict: its lifecycle does not allow the event now, or it has changed meanwhile.
            Unavailable: the store did not say whether it took it.
        """
        now_ms = self.now_ms()
        change = journal.draft(PAYMENT, head, event, data, now_ms=now_ms, by=by)
        return journal.apply(self.table, change, self._also(change, now_ms))

    def _looked_after(self, payment_id: str, looks: int) -> str:
        """The state of an unsettled payment after one more look; a person's, when the patience is over."""
        head = self.settle(self._loaded(aggregate(payment_id)))
        if head.state in FINAL:
            self.table.delete(UNSETTLED, payment_id)
            return head.state
        now_ms = self.now_ms()
        if head.state in TRIED and now_ms - head.data["created_ms"] >= PATIENCE_MS:
            try:
                head = self._apply(head, "escalated", {})
            except Conflict:
                return self._loaded(head.aggregate).state
        self.table.put(UNSETTLED, payment_id, due(head, now_ms, looks + 1).item)
        return head.state

    def _begin(self, head: Head, intent: Intent, request: Any, limits: Limits) -> tuple[Head, Prepared | None]:
        """The recorded payment, and what to send of it; None for that when another call has recorded it."""
        found: Head | None
        for attempt in range(_TRIES):
            try:
                prepared = self.connectors[intent.connector].prepare(request)
                now_ms = self.now_ms()
                data = data_of(intent, prepared, now_ms)
                change = journal.draft(PAYMENT, head, "prepared", data, now_ms=now_ms, by=intent.caller.id)
                found = self._recorded(change, self._reserved(change, limits))
            except Conflict:  # what was chosen, or the budget, has changed meanwhile
                found = journal.load(self.table, head.aggregate)
            except UnknownFailure:
                raise  # it may be recorded, and then it will be sent
            except Failure as failure:
                return self._declined(head, intent, failure), None
            if found is not None and found.state not in NOT_RECORDED:
                return found, prepared if found.hash == change.head.hash else None
            head = found or head
            _pause(attempt)
        raise _busy()

    def _declined(self, head: Head, intent: Intent, failure: Failure) -> Head:
        """The payment that another call has recorded, or a record that this one is refused.

        The store may still take an earlier call's record whose fate it did not tell. A no is only a no if it cannot:
        so the no is recorded under the same condition, and one of the two fails.
        """
        for attempt in range(_TRIES):
            found = journal.load(self.table, head.aggregate) or head
            if found.state not in NOT_RECORDED:
                return found
            if isinstance(failure, (Unavailable, Invalid, Defect)):
                raise failure  # it says nothing definite, or depends on the request alone
            event = "refused" if failure.repeat == "new-intent" else "postponed"
            now_ms = self.now_ms()
            data = declined_of(intent, failure, now_ms)
            try:
                declined = journal.apply(
                    self.table, journal.draft(PAYMENT, found, event, data, now_ms=now_ms, by=intent.caller.id)
                )
            except Conflict:
                _pause(attempt)
                continue
            if event == "refused":
                return declined
            raise failure
        raise _busy()

    def _recorded(self, change: Change, also: list[Write]) -> Head:
        """The payment as it is recorded now, by this change or, when the store did not say, perhaps by another."""
        try:
            return journal.apply(self.table, change, also)
        except Unavailable:
            return self._perhaps(change.head.aggregate)

    def _perhaps(self, name: str) -> Head:
        """The record, after the store did not say whether it took it.

        Raises:
            Unknown: it is not there, or the store does not answer: it may still come, and would be sent then.
        """
        try:
            found = journal.load(self.table, name)
        except Unavailable:
            found = None
        if found is None or found.state in NOT_RECORDED:
            raise UnknownFailure(
                "The store did not say whether it has taken the payment; nothing was sent yet.",
                next_step="Send the same request with the same Idempotency-Key again.",
                code="ledger/not-recorded",
                location=location(name.rpartition("/")[2]),
            )
        return found

    def _reserved(self, change: Change, limits: Limits) -> list[Write]:
        """What is written with a new payment: its budget, its place in the list, its leases."""
        data, now_ms = change.head.data, change.head.at_ms
        item = self.table.get(budgets.BUDGETS, data["by"])
        held = budgets.reservation(item, data["by"], data["payment_id"], data["max_msat"], limits, now_ms)
        leases = [
            Put(LEASES, lease(data["connector"], one), {"payment_id": data["payment_id"]}, Absent())
            for one in data["leases"]
        ]
        return [*held, due(change.head, now_ms), *leases, *self._still_standing(data)]

    def _still_standing(self, data: Item) -> list[Write]:
        """That the payment which a new one replaces stands as it was made.

        Raises:
            Conflict: another one has taken its place meanwhile.
        """
        if not data.get("replaces"):
            return []
        old = journal.load(self.table, aggregate(data["replaces"]))
        if old is None or not may_be_replaced(old):
            raise Conflict("The payment was replaced meanwhile.", next_step="Read it again.", code="ledger/replaced")
        return [journal.unchanged(old)]

    def _replaced(self, change: Change, now_ms: int) -> list[Write]:
        """In the record of the payment whose place this one has taken: who has."""
        data = change.head.data
        old = journal.load(self.table, aggregate(data["replaces"])) if data.get("replaces") else None
        if old is None:
            return []
        by = {"replaced_by": data["payment_id"], "replaced_by_identity": data["identity"]}
        return journal.writes(journal.draft(PAYMENT, old, "replaced", by, now_ms=now_ms, by=data["by"]))

    def _record(self, head: Head, outcome: Outcome, *, first: bool) -> Head:
        """Write down what came of it, if that says more than is known."""
        for attempt in range(_TRIES):
            event, data = event_of(outcome, first=first)
            if head.state in FINAL:
                return agreeing(head, event)
            if event == "lost" and (head.state, event) not in PAYMENT.transitions:
                return head
            if event == head.state == "pending":
                return head
            try:
                return self._apply(head, event, data)
            except Conflict:
                newer = self._loaded(head.aggregate)
                first = first and newer.version == head.version
                head = newer
                _pause(attempt)
            except Unavailable:
                return head  # what came of it is in the neighbour, and will be looked up
        return head

    def _apply(self, head: Head, event: str, data: Item) -> Head:
        return self.change(head, event, data, by=head.data["by"])

    def _also(self, change: Change, now_ms: int) -> list[Write]:
        """What changes together with the payment: its place in the list, and at the end its budget and leases."""
        head = change.head
        if head.state not in FINAL:
            return [due(head, now_ms)]
        caller, payment_id = head.data["by"], head.data["payment_id"]
        item = self.table.get(budgets.BUDGETS, caller)  # before the mark, which is written with it
        mark = self.table.get(budgets.marks(caller), payment_id)
        budget: tuple[Write, ...]
        if head.state == "succeeded":
            budget = budgets.settlement(item, mark, caller, payment_id, head.data["spent_msat"], now_ms)
            budget = (*budget, *self._replaced(change, now_ms))
        else:
            budget = budgets.freeing(item, mark, caller, payment_id, now_ms)
        leases = [Delete(LEASES, lease(head.data["connector"], one)) for one in head.data["leases"]]
        return [*budget, Delete(UNSETTLED, payment_id), *leases]

    def _loaded(self, name: str) -> Head:
        found = journal.load(self.table, name)
        if found is None:
            raise Integrity(
                "The record of a payment that is not settled is gone.",
                next_step="POST /v1/state/rebuild writes it anew from its events.",
                code="ledger/no-record",
                money_moved="unknown",
            )
        return found


def _is_of(head: Head, intent: Intent) -> bool:
    """Whether the payment was asked for by the same request."""
    return bool(head.data["request_hash"] == intent.request_hash)


def _busy() -> Unavailable:
    return Unavailable(
        "Too many payments are being made at the same time.",
        next_step="Send the same request with the same Idempotency-Key again.",
        code="ledger/busy",
        retry_after_ms=1_000,
    )


def _pause(attempt: int) -> None:
    time.sleep(random.uniform(0, min(0.001 * 2**attempt, _LONGEST_PAUSE_S)))  # noqa: S311 - spreads, guards nothing
