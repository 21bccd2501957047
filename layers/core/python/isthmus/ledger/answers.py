"""What a payment's record is to whoever asks: an answer, a refusal, or not known yet."""

from typing import Any

from pydantic import Field

from isthmus.failure import Conflict, Expired, Failure, Funds, Limited, Precondition, Refused, Unknown, Upstream
from isthmus.fields import Msat, Response
from isthmus.journal import Head, load
from isthmus.ledger.records import NOT_RECORDED, aggregate, location, no_payment
from isthmus.storage.table import Table

_KINDS: dict[str, type[Failure]] = {one.kind: one for one in (Refused, Funds, Expired, Conflict, Precondition, Limited)}


class Refusal(Response):
    """Why a payment was refused for good."""

    kind: str
    code: str
    reason: str
    next_step: str


class Proposal(Response):
    """What one person says became of a payment, until another says so too."""

    verdict: str
    evidence: str = Field(description="what the person has seen")
    spent_msat: Msat | None
    by: str
    at_ms: int


class OnChain(Response):
    """What was last seen of a payment's transaction by who follows the wallet."""

    state: str = Field(
        description="waiting, confirmed, settled, reorged, dropped; conflicted: a block excludes it, as one with a "
        "payment does in whose place it was made"
    )
    block_hash: str | None
    height: int | None
    at_ms: int = Field(description="when this was written; it is looked at each minute")


class PaymentView(Response):
    """A payment as the ledger knows it."""

    payment_id: str = Field(description="of the caller, the operation and the Idempotency-Key")
    operation: str
    state: str = Field(description="sending, pending, unknown, needs-person, proposed; in the end succeeded or refused")
    identity: str | None = Field(description="what the protocol knows it by, such as the txid")
    max_msat: Msat | None = Field(description="the most it may have cost, fees included")
    spent_msat: Msat | None = Field(description="what the budget has paid for it, fees included, once it succeeded")
    detail: dict[str, Any] = Field(description="what the connector says of it")
    refusal: Refusal | None
    proposal: Proposal | None = Field(description="in proposed: what settle_by_hand needs a second person for")
    replaces: str | None = Field(description="the payment in whose place it pays the same, at a higher fee")
    replaced_by: str | None = Field(description="the payment that does so in the place of this one")
    chain: OnChain | None = Field(
        description="from get_payment, for a wallet's transaction; of two payments that pay the same the one that is "
        "confirmed has paid"
    )
    by: str = Field(description="who asked for it")
    created_ms: int
    changed_ms: int
    version: int = Field(description="how many events its history has")


def view(head: Head, on_chain: Head | None = None) -> PaymentView:
    """A payment for its reader, and what is known of its transaction; never the payload."""
    data = head.data
    refusal = data.get("refusal")
    shown = {name: refusal[name] for name in Refusal.model_fields} if refusal else None
    return PaymentView(
        payment_id=data["payment_id"],
        operation=data["operation"],
        state=head.state,
        identity=data.get("identity"),
        max_msat=data.get("max_msat"),
        spent_msat=data.get("spent_msat"),
        detail=data.get("detail", {}),
        refusal=None if shown is None else Refusal(**shown),
        proposal=Proposal(**data["proposal"]) if head.state == "proposed" else None,
        replaces=data.get("replaces"),
        replaced_by=data.get("replaced_by"),
        chain=None if on_chain is None else _on_chain(on_chain),
        by=data["by"],
        created_ms=data["created_ms"],
        changed_ms=head.at_ms,
        version=head.version,
    )


def _on_chain(seen: Head) -> OnChain:
    tied = bool(seen.data.get("block_hash"))
    block_hash, height = (seen.data["block_hash"], seen.data["height"]) if tied else (None, None)
    return OnChain(state=seen.state, block_hash=block_hash, height=height, at_ms=seen.at_ms)


def find(table: Table, tenant: str, payment_id: str) -> Head:
    """A payment of a tenant.

    Raises:
        NotFound: there is none, or it is another tenant's.
    """
    head = load(table, aggregate(payment_id))
    if head is None or head.state in NOT_RECORDED or head.data["tenant"] != tenant:
        raise no_payment()
    return head


def settled(head: Head) -> Head:
    """The payment, when it succeeded.

    Raises:
        Failure: it was refused; always the same for the same key.
        Unknown: it is not known yet; the ledger goes on finding out.
    """
    if head.state == "succeeded":
        return head
    payment_id = head.data["payment_id"]
    if head.state == "refused":
        raise refusal_of(head)
    raise Unknown(
        "The payment is on its way, and its outcome is not known yet.",
        next_step="Ask its location again, or send the same request with the same Idempotency-Key.",
        code="ledger/unsettled",
        location=location(payment_id),
        retry_after_ms=2_000,
    )


def refusal_of(head: Head) -> Failure:
    """The failure that a refused payment is."""
    told = head.data["refusal"]
    kind = _KINDS.get(told["kind"], Refused)
    upstream = Upstream(told["system"], _number(told["upstream_code"])) if told["system"] else None
    return kind(told["reason"], next_step=told["next_step"], code=told["code"], upstream=upstream)


def _number(code: str) -> int | str:
    return int(code) if code.lstrip("-").isdecimal() else code
