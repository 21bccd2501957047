"""Compare what the ledger has paid with what the node has sent."""

from typing import Literal

from pydantic import Field

from isthmus.bitcoin import reconciling
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.reconciling import DAY_MS, EARLIER_MS
from isthmus.bitcoin.wallets import node_wallet
from isthmus.bitcoin.wanted import WalletName
from isthmus.failure import NotFound, Precondition, Unavailable
from isthmus.fields import Request, Response, Txid
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Caller, Clock, Table


class ReconcileWallet(Request):
    """Which wallet, and how far back."""

    wallet: WalletName
    days: int = Field(default=7, ge=1, le=90)


class DifferenceView(Response):
    """What the ledger and the node do not agree on."""

    kind: Literal["unrecorded", "missing", "overtaken", "orphaned", "contradicted", "fee"] = Field(
        description="unrecorded: sent by the wallet, and no payment is it; missing: paid by the ledger, and the node "
        "has it not; overtaken: the same, but it was made in the place of a payment that a block has (`mined_txid`), "
        "so the recipients were paid once, by that; orphaned: the same, but it was to pay for a transaction that a "
        "block excludes, so nothing was spent; contradicted: refused by the ledger, and the node has it; fee: they do "
        "not agree on what it cost"
    )
    txid: Txid
    payment_id: str | None = Field(description="of the ledger, if it has one")
    mined_txid: Txid | None = Field(description="for overtaken: what a block has")
    at_ms: int = Field(description="when it was recorded, or first seen by the wallet")


class WalletReconciliation(Response):
    """Both ways: every payment against the node, every transaction the wallet has sent against the ledger."""

    since_ms: int
    payments: int = Field(description="payments of the tenant that were looked at")
    transactions: int = Field(description="transactions that the wallet has sent")
    differences: tuple[DifferenceView, ...] = Field(description="oldest first; none is what should be")
    complete: bool = Field(description="false when there were more of either than are looked at: ask for fewer days")


@operation(
    "GET /v1/bitcoin/wallets/{wallet}/reconciliation",
    effect=Effect.READ,
    errors=(NotFound, Precondition, Unavailable),
)
def reconcile_wallet(
    request: ReconcileWallet, caller: Caller, node: BitcoinNode, table: Table, clock: Clock
) -> WalletReconciliation:
    """List what the ledger has paid from a wallet and the node has not sent, and the other way round."""
    near, wallet = within(node), node_wallet(caller.tenant, request.wallet)
    since_ms = clock.now_ms() - request.days * DAY_MS
    seen, all_seen = reconciling.sent(near, wallet, since_ms)
    payments, all_paid = reconciling.paid(table, caller.tenant, since_ms - EARLIER_MS)
    found = reconciling.compare(near, wallet, seen, payments, since_ms)
    return WalletReconciliation(
        since_ms=since_ms,
        payments=len(payments),
        transactions=len(seen),
        differences=tuple(DifferenceView.model_validate(one, from_attributes=True) for one in found),
        complete=all_seen and all_paid,
    )
