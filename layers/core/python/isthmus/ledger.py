r"""The ledger: the one engine that spends. Money moves once or not at all, and it is always known which.

    prepare -> record (identity, payload, reserved budget, leases) -> send -> record what came of it
                                                                    \-> no answer: unknown, until somebody knows

What is recorded before it is sent can be sent again under the same identity by anybody, so that a crash at any moment
costs an answer and never money. A refusal counts as a failure only if no copy can be on its way: it answers the first
and only time it was sent, or it holds for good. Every further sending is recorded before, which takes that right from
whoever still waits for the first answer. What is not definite is in the list of the unsettled, whose owner is the
schedule of `reconcile_payments` and, at the end of its patience, a person.
"""

import hashlib
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from isthmus import journal
from isthmus.access import budgets
from isthmus.access.budgets import Limits
from isthmus.access.caller import Caller
from isthmus.effects import Connector, Outcome, Pending, Prepared, Refused, Succeeded, Unknown
from isthmus.failure import Conflict, Failure, Integrity, NotFound, Unavailable
from isthmus.failure import Unknown as UnknownFailure
from isthmus.journal import START, Change, Head, Lifecycle
from isthmus.storage.table import Absent, Delete, Item, Put, Table, Write

FINAL = frozenset({"succeeded", "refused"})

PAYMENT = Lifecycle(
    "payment",
    {
        (START, "prepared"): "sending",
        ("sending", "succeeded"): "succeeded",
        ("sending", "refused"): "refused",
        ("sending", "pending"): "pending",
        ("sending", "lost"): "unknown",
        ("sending", "resent"): "unknown",
        ("sending", "escalated"): "needs-person",
        ("unknown", "succeeded"): "succeeded",
        ("unknown", "refused"): "refused",
        ("unknown", "pending"): "pending",
        ("unknown", "resent"): "unknown",
        ("unknown", "escalated"): "needs-person",
        ("pending", "succeeded"): "succeeded",
        ("pending", "refused"): "refused",
        ("pending", "lost"): "unknown",
        ("pending", "resent"): "unknown",
        ("pending", "escalated"): "needs-person",
        ("needs-person", "succeeded"): "succeeded",
        ("needs-person", "refused"): "refused",
        ("needs-person", "proposed"): "proposed",
        ("proposed", "succeeded"): "succeeded",
        ("proposed", "refused"): "refused",
        ("proposed", "withdrawn"): "needs-person",
    },
)

UNSETTLED = "ledger/unsettled"
LEASES = "ledger/leases"

LADDER_S = (1, 5, 30, 120, 600, 3600)
"""How long after each look the next one is due; the last step repeats."""

PATIENCE_MS = 24 * 3_600_000
"""How long the schedule tries before a person has to decide."""

MAX_KEY_LENGTH = 255
_TRIES = 60
_LONGEST_PAUSE_S = 0.05


@dataclass(frozen=True)
class Intent:
    """What somebody wants to happen once.

    Args:
        operation: `bitcoin.send_payment`.
        connector: the name of the connector that does it.
        caller: who wants it.
        key: the caller's Idempotency-Key.
        request: the whole request, as JSON values.
    """

    operation: str
    connector: str
    caller: Caller
    key: str
    request: Mapping[str, Any]

    @property
    def payment_id(self) -> str:
        """One payment for each caller, operation and key, for ever."""
        return _sha256([self.caller.tenant, self.caller.id, self.operation, self.key])[:32]

    @property
    def request_hash(self) -> str:
        """The same for the same request only."""
        return _sha256(self.request)


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
            Unavailable: nothing was recorded or sent; the same key again is safe.
            Unknown: whether it was recorded is not known; if so, it will be sent.
            Failure: whatever `prepare` refuses; nothing was recorded or sent.
        """
        head = journal.load(self.table, aggregate(intent.payment_id))
        if head is None:
            head, prepared = self._begin(intent, request, limits)
            if prepared is not None:
                return self._record(head, self.connectors[intent.connector].send(prepared), first=True)
        if head.data["request_hash"] != intent.request_hash:
            raise Conflict(
                "This Idempotency-Key was used for another request.",
                next_step="Send the first request again to learn what became of it, or take a new key for a new one.",
                code="ledger/key-reused",
            )
        return head

    def settle(self, head: Head) -> Head:
        """Find out more about a payment that is not definite, and send it again if nobody has it."""
        if head.state in FINAL:
            return head
        connector, prepared = self.connectors[head.data["connector"]], prepared_of(head)
        outcome = connector.look_up(prepared)
        if isinstance(outcome, Unknown) and outcome.seen is False and head.state in ("sending", "unknown", "pending"):
            try:
                head = self._apply(head, "resent", {"attempts": head.data["attempts"] + 1})
            except Conflict:
                return self._loaded(head)
            outcome = connector.send(prepared)
        return self._record(head, outcome, first=False)

    def _begin(self, intent: Intent, request: Any, limits: Limits) -> tuple[Head, Prepared | None]:
        """The recorded payment, and what to send of it; None for that when another call has recorded it."""
        start = journal.fresh(aggregate(intent.payment_id))
        for attempt in range(_TRIES):
            try:
                prepared = self.connectors[intent.connector].prepare(request)
            except Failure as failure:
                found = journal.load(self.table, start.aggregate)  # by a call with the same key, which was faster
                if found is not None:
                    return found, None
                if not isinstance(failure, Conflict):
                    raise
                _pause(attempt)
                continue
            change = journal.draft(
                PAYMENT, start, "prepared", _data(intent, prepared), now_ms=self.now_ms(), by=intent.caller.id
            )
            found = self._recorded(change, limits)
            if found is not None:
                return found, prepared if found.hash == change.head.hash else None
            _pause(attempt)
        raise Unavailable(
            "Too many payments are being made at the same time.",
            next_step="Send the same request with the same Idempotency-Key again.",
            code="ledger/busy",
            retry_after_ms=1_000,
        )

    def _recorded(self, change: Change, limits: Limits) -> Head | None:
        """The payment as it is recorded now, by this change or another call's; None when something else was faster."""
        try:
            return journal.apply(self.table, change, self._reserved(change, limits))
        except Conflict:
            return journal.load(self.table, change.head.aggregate)
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
        if found is None:
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
            Put(LEASES, _lease(data["connector"], one), {"payment_id": data["payment_id"]}, Absent())
            for one in data["leases"]
        ]
        return [*held, _due(change.head, now_ms), *leases]

    def _record(self, head: Head, outcome: Outcome, *, first: bool) -> Head:
        """Write down what came of it, if that says more than is known."""
        for attempt in range(_TRIES):
            event, data = _event_of(outcome, first=first)
            if head.state in FINAL:
                return _agreeing(head, event)
            if event == "lost" and (head.state, event) not in PAYMENT.transitions:
                return head
            if event == head.state == "pending":
                return head
            try:
                return self._apply(head, event, data)
            except Conflict:
                newer = self._loaded(head)
                first = first and newer.version == head.version
                head = newer
                _pause(attempt)
            except Unavailable:
                return head  # what came of it is in the neighbour, and will be looked up
        return head

    def _apply(self, head: Head, event: str, data: Item) -> Head:
        now_ms = self.now_ms()
        change = journal.draft(PAYMENT, head, event, data, now_ms=now_ms, by=head.data["by"])
        return journal.apply(self.table, change, self._also(change, now_ms))

    def _also(self, change: Change, now_ms: int) -> list[Write]:
        """What changes together with the payment: its place in the list, and at the end its budget and leases."""
        head = change.head
        if head.state not in FINAL:
            return [_due(head, now_ms)]
        caller, payment_id = head.data["by"], head.data["payment_id"]
        mark = self.table.get(budgets.marks(caller), payment_id)
        item = self.table.get(budgets.BUDGETS, caller)
        if head.state == "succeeded":
            budget = budgets.settlement(item, mark, caller, payment_id, head.data["spent_msat"], now_ms)
        else:
            budget = budgets.freeing(item, mark, caller, payment_id, now_ms)
        leases = [Delete(LEASES, _lease(head.data["connector"], one)) for one in head.data["leases"]]
        return [*budget, Delete(UNSETTLED, payment_id), *leases]

    def _loaded(self, head: Head) -> Head:
        found = journal.load(self.table, head.aggregate)
        if found is None:
            raise NotFound("There is no such payment.", next_step="Check its id.", code="ledger/no-payment")
        return found


def aggregate(payment_id: str) -> str:
    """The name of a payment in the journal."""
    return f"ledger/payment/{payment_id}"


def location(payment_id: str) -> str:
    """Where the API says what became of a payment."""
    return f"/v1/ledger/payments/{payment_id}"


def leased(table: Table, connector: str) -> set[str]:
    """What unsettled payments of a connector have leased."""
    prefix, found, after = f"{connector}/", set[str](), None
    while True:
        page = table.query(LEASES, prefix=prefix, after=after, limit=1000)
        found |= {row.sk.removeprefix(prefix) for row in page.rows}
        after = page.after
        if after is None:
            return found


def prepared_of(head: Head) -> Prepared:
    """What was prepared, from its record."""
    data = head.data
    return Prepared(data["identity"], data["payload"], data["max_msat"], tuple(data["leases"]), data["detail"])


def _data(intent: Intent, prepared: Prepared) -> Item:
    return {
        "payment_id": intent.payment_id,
        "operation": intent.operation,
        "connector": intent.connector,
        "by": intent.caller.id,
        "tenant": intent.caller.tenant,
        "request_hash": intent.request_hash,
        "identity": prepared.identity,
        "payload": prepared.payload,
        "max_msat": prepared.max_msat,
        "leases": list(prepared.leases),
        "detail": prepared.detail,
        "attempts": 1,
    }


def _event_of(outcome: Outcome, *, first: bool) -> tuple[str, Item]:
    """The event that an outcome is; a refusal that a copy may still contradict is as good as no answer."""
    match outcome:
        case Succeeded():
            return "succeeded", {"spent_msat": outcome.spent_msat, "result": outcome.detail}
        case Refused() if first or outcome.for_good:
            refusal = {
                "kind": outcome.kind,
                "code": outcome.code,
                "reason": outcome.reason,
                "next_step": outcome.next_step,
                "system": outcome.system,
                "upstream_code": outcome.upstream_code,
            }
            return "refused", {"refusal": refusal}
        case Pending():
            return "pending", {"result": outcome.detail}
        case Refused():
            return "lost", {"lost": outcome.code}
        case Unknown():
            return "lost", {"lost": outcome.code}


def _agreeing(head: Head, event: str) -> Head:
    """A final payment, unless what was just seen contradicts it."""
    if event in FINAL and event != head.state:
        raise Integrity(
            f"The payment is recorded as {head.state}, and was now seen as {event}.",
            next_step="Stop spending, compare the payment's history with the neighbour, and settle it by hand.",
            code="ledger/contradiction",
            money_moved="yes",
        )
    return head


def _due(head: Head, now_ms: int) -> Put:
    """The payment's place in the list of the unsettled."""
    step = LADDER_S[min(head.data["attempts"], len(LADDER_S)) - 1]
    return Put(UNSETTLED, head.data["payment_id"], {"due_ms": now_ms + step * 1000, "state": head.state})


def _lease(connector: str, name: str) -> str:
    return f"{connector}/{name}"


def _pause(attempt: int) -> None:
    time.sleep(random.uniform(0, min(0.001 * 2**attempt, _LONGEST_PAUSE_S)))  # noqa: S311 - spreads, guards nothing


def _sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
