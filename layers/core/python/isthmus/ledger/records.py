"""What the ledger records of a payment: its states, its rows, and the items beside it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from isthmus.access.caller import Caller
from isthmus.effects import Outcome, Pending, Prepared, Refused, Succeeded, Unknown
from isthmus.failure import Conflict, Failure, Integrity, NotFound
from isthmus.journal import START, Head, Lifecycle
from isthmus.storage.table import Item, Put, Table

PaymentId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="id of a payment in the ledger")]
IdempotencyKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="names this one payment; the same key and request give the same answer for ever",
    ),
]

FINAL = frozenset({"succeeded", "refused"})
NOT_RECORDED = frozenset({START, "postponed"})
"""Nothing of it was ever sent, and nothing will be before a call with the same key."""

TRIED = frozenset({"sending", "unknown", "pending"})
"""Still tried without a person."""

PAYMENT = Lifecycle(
    "payment",
    {
        (START, "prepared"): "sending",
        (START, "refused"): "refused",
        (START, "postponed"): "postponed",
        ("postponed", "prepared"): "sending",
        ("postponed", "refused"): "refused",
        ("postponed", "postponed"): "postponed",
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
        ("succeeded", "replaced"): "succeeded",
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
    return Prepared(
        identity=data["identity"],
        payload=data["payload"],
        max_msat=data["max_msat"],
        leases=tuple(data["leases"]),
        detail=data["detail"],
        replaces=data.get("replaces", ""),
    )


def data_of(intent: Intent, prepared: Prepared, now_ms: int) -> Item:
    """The record of a payment before it is sent."""
    return _of_intent(intent, now_ms) | {
        "identity": prepared.identity,
        "payload": prepared.payload,
        "max_msat": prepared.max_msat,
        "leases": list(prepared.leases),
        "detail": prepared.detail,
        "attempts": 1,
        **({"replaces": prepared.replaces} if prepared.replaces else {}),
    }


def declined_of(intent: Intent, failure: Failure, now_ms: int) -> Item:
    """The record of a payment that was refused before anything was sent."""
    system, code = (failure.upstream.system, str(failure.upstream.code)) if failure.upstream else ("", "")
    refused = Refused(failure.kind, failure.code, failure.detail, failure.next_step, True, system, code)
    return _of_intent(intent, now_ms) | {"refusal": _refusal(refused)}


def _of_intent(intent: Intent, now_ms: int) -> Item:
    return {
        "created_ms": now_ms,
        "payment_id": intent.payment_id,
        "operation": intent.operation,
        "connector": intent.connector,
        "by": intent.caller.id,
        "tenant": intent.caller.tenant,
        "request_hash": intent.request_hash,
    }


def _refusal(refused: Refused) -> Item:
    return {
        "kind": refused.kind,
        "code": refused.code,
        "reason": refused.reason,
        "next_step": refused.next_step,
        "system": refused.system,
        "upstream_code": refused.upstream_code,
    }


def event_of(outcome: Outcome, *, first: bool) -> tuple[str, Item]:
    """The event that an outcome is; a refusal that a copy may still contradict is as good as no answer."""
    match outcome:
        case Succeeded():
            return "succeeded", {"spent_msat": outcome.spent_msat, "result": outcome.detail}
        case Refused() if first or outcome.for_good:
            return "refused", {"refusal": _refusal(outcome)}
        case Pending():
            return "pending", {"result": outcome.detail}
        case Refused():
            return "lost", {"lost": outcome.code}
        case Unknown():
            return "lost", {"lost": outcome.code}


def may_be_replaced(head: Head | None) -> bool:
    """Whether a payment stands as it was made: it succeeded, and no other has taken its place."""
    return head is not None and head.state == "succeeded" and "replaced_by" not in head.data


def agreeing(head: Head, event: str) -> Head:
    """A final payment, unless what was just seen contradicts it."""
    if event in FINAL and event != head.state:
        raise Integrity(
            f"The payment is recorded as {head.state}, and was now seen as {event}.",
            next_step="Stop spending, compare the payment's history with the neighbour, and settle it by hand.",
            code="ledger/contradiction",
            money_moved="yes",
        )
    return head


def due(head: Head, now_ms: int, looks: int = 0) -> Put:
    """The payment's place in the list of the unsettled, and when to look again."""
    step = LADDER_S[min(max(looks, head.data["attempts"]), len(LADDER_S)) - 1]
    return Put(UNSETTLED, head.data["payment_id"], {"due_ms": now_ms + step * 1000, "looks": looks})


def key_reused() -> Conflict:
    """The refusal of a key that has paid something else."""
    return Conflict(
        "This Idempotency-Key was used for another request.",
        next_step="Send the first request again to learn what became of it, or take a new key for a new one.",
        code="ledger/key-reused",
    )


def no_payment() -> NotFound:
    """There is none, or it is somebody else's: nobody can tell which."""
    return NotFound("There is no such payment.", next_step="Check its id.", code="ledger/no-payment")


def lease(connector: str, name: str) -> str:
    """The sort key of a lease."""
    return f"{connector}/{name}"


def _sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
