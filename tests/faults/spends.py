"""The operations that spend, each as the harness has to know it.

What `ask` does is what the operation's function does, with the trial's ledger in the place of the real one.
"""

from collections.abc import Iterator
from typing import Any

from functions.bitcoin.broadcast_transaction import Broadcast, BroadcastTransaction
from functions.bitcoin.bump_fee import Bumped, BumpFee
from functions.bitcoin.send_payment import SendPayment, SentPayment
from functions.bitcoin.sign_transaction import SignTransaction
from isthmus.bitcoin import signing
from isthmus.bitcoin.broadcasting import RawTransaction
from isthmus.bitcoin.payments import CONNECTOR as PAYMENTS
from isthmus.bitcoin.psbts import finalized
from isthmus.bitcoin.signing import ToSign
from isthmus.bitcoin.wanted import PayTo
from isthmus.ledger.answers import find
from isthmus.ledger.engine import Ledger
from isthmus.ledger.paying import pay, told
from isthmus.ledger.records import LEASES, lease
from tests.faults.bodies import FEE_SAT, VSIZE, body_of, fee_of, packed, raw_of, txid_of
from tests.faults.events import elsewhere, held, locked, mined, other, released, swept, taken
from tests.faults.node import ELSEWHERE, TILL
from tests.faults.trial import (
    ADA,
    ADDRESS,
    AMOUNT_SAT,
    FIRST,
    FOREIGN,
    OTHER_SAT,
    OWNER,
    Case,
    Spend,
    Trial,
    payment_id,
)

# send_payment

SEND = SendPayment(
    wallet="till",
    recipients=[PayTo(address=ADDRESS, amount_sat=AMOUNT_SAT)],
    max_fee_sat=1_000,
    idempotency_key="one",
)
WANTED = SEND.draft("main")


def _sends(run: Trial) -> str:
    return told(SentPayment, pay(run.ledger, "bitcoin.send_payment", SEND, WANTED, ADA, OWNER)).txid


def _sent(run: Trial) -> list[str]:
    return [txid for txid in run.node.effects if txid not in run.others]


def _sent_sat(run: Trial) -> int:
    return (AMOUNT_SAT + FEE_SAT) * len(_sent(run)) + _others_sat(run)


def _others_sat(run: Trial) -> int:
    return (OTHER_SAT + FEE_SAT) * (payment_id("send_payment", "other") in run.others.values())


SEND_PAYMENT = Spend(
    "send_payment",
    "send_payment",
    (
        Case(),
        Case(late="after"),
        Case(late="soon"),
        Case(refuses=1),
        Case(refuses=1, late="soon"),
        Case(sending=elsewhere),
        Case(last=elsewhere),
        Case(last=mined),
        Case(first=locked),
        Case(first=taken),
        Case(first=other),
        Case(before=held, last=released),
    ),
    ask=_sends,
    effects=_sent,
    cost_sat=_sent_sat,
)

# broadcast_transaction

OWN_RAW = raw_of({"coins": [FIRST], "amount": AMOUNT_SAT, "to": [{ADDRESS: f"0.{AMOUNT_SAT:08d}"}]})
FOREIGN_RAW = raw_of({"coins": [FOREIGN], "amount": 59_700, "to": [{ADDRESS: "0.00059700"}]})


SIGNED = body_of(OWN_RAW) | {"needs": 2}
OWN: dict[str, Any] = {"max_spent_sat": 51_000, "wallet": "till", "idempotency_key": "one"}
FOREIGN_ONE = BroadcastTransaction(transaction=FOREIGN_RAW, max_spent_sat=60_000, idempotency_key="one")
REQUESTS = {
    "": BroadcastTransaction(transaction=OWN_RAW, **OWN),
    "psbts": BroadcastTransaction(psbts=[packed(SIGNED | {"by": [name]}) for name in ("ann", "bob")], **OWN),
    "foreign": FOREIGN_ONE,
    "foreign-unindexed": FOREIGN_ONE,
}


def _broadcasts(run: Trial) -> str:
    request = REQUESTS[run.case.about]
    wallet = TILL if request.wallet else ""
    signed = RawTransaction(request.transaction, request.psbts, wallet, request.max_spent_sat)
    return told(Broadcast, pay(run.ledger, "bitcoin.broadcast_transaction", request, signed, ADA, OWNER)).txid


def _raw(run: Trial) -> str:
    return REQUESTS[run.case.about].transaction or OWN_RAW


def _there(run: Trial) -> list[str]:
    return [one for one in run.node.effects if one == txid_of(_raw(run))]


def _broadcast(run: Trial) -> list[str]:
    """It is nobody's doing but its own, unless somebody else has sent it too: then it is what the record says."""
    return _there(run) if run.appeared_ms is None or run.state == "succeeded" else []


def _broadcast_sat(run: Trial) -> int:
    """Nothing, if the network had it when it was recorded."""
    spent = AMOUNT_SAT + FEE_SAT if REQUESTS[run.case.about].wallet else 60_000
    known = run.appeared_ms is not None and run.head is not None and run.head.data["created_ms"] > run.appeared_ms
    return _others_sat(run) + (0 if known else spent * len(_broadcast(run)))


def _unindexed(run: Trial) -> None:
    run.node.indexed = run.case.about != "foreign-unindexed"


def _broadcast_ends(run: Trial) -> Iterator[str]:
    if run.appeared_ms is not None and _there(run) and run.state == "refused":
        yield "I2 the network has it, and the record says refused"


def appears(run: Trial) -> None:
    """Somebody else sends the same transaction."""
    if not _there(run):
        run.appeared_ms = run.now_ms
        run.node.sendrawtransaction(_raw(run))


def appears_mined(run: Trial) -> None:
    """Somebody else has sent the same transaction, and it is mined."""
    appears(run)
    run.node.mine()


BROADCAST_TRANSACTION = Spend(
    "broadcast_transaction",
    "broadcast_transaction",
    (
        Case(),
        Case(late="after"),
        Case(late="soon"),
        Case(refuses=1),
        Case(refuses=1, late="soon"),
        Case(before=appears),
        Case(before=appears_mined),
        Case(sending=appears),
        Case(sending=appears_mined),
        Case(first=appears),
        Case(first=appears_mined),
        Case(before=taken),
        Case(first=taken),
        Case(first=other),
        Case(before=held, first=released),
        Case(last=elsewhere),
        Case(last=mined),
        Case(last=swept),
        Case(about="psbts"),
        Case(about="foreign"),
        Case(before=appears_mined, about="foreign-unindexed"),
        Case(last=mined, about="foreign-unindexed"),
        Case(last=swept, about="foreign-unindexed", person=True),
        Case(last=elsewhere, about="foreign-unindexed", person=True),
    ),
    ask=_broadcasts,
    effects=_broadcast,
    cost_sat=_broadcast_sat,
    begin=_unindexed,
    ended=_broadcast_ends,
)

# sign_transaction

SIGN = SignTransaction(
    wallet="till",
    psbt=packed(body_of(OWN_RAW)),
    max_spent_sat=51_000,
    idempotency_key="one",
)


def _signs(run: Trial) -> str:
    asked = ToSign(TILL, SIGN.psbt, SIGN.max_spent_sat)
    head = pay(run.ledger, "bitcoin.sign_transaction", SIGN, asked, ADA, OWNER)
    finalized(run.node, head.data["payload"])
    return str(head.data["payload"])


def _signatures(run: Trial) -> list[str]:
    """What somebody has, or could read: whoever repeats the request is given what the record has."""
    head = run.head
    readable = [str(head.data["payload"])] if head is not None and head.state == "succeeded" else []
    return sorted({*run.given, *readable})


def _given_away(run: Trial) -> Iterator[str]:
    if run.given and run.state != "succeeded":
        yield "I2 a signature was given away before it was recorded"
    if run.given and (LEASES, lease(PAYMENTS, FIRST)) in run.table.items:
        yield "I9 a signature was given away on a coin that a payment holds"


def _signed_sat(run: Trial) -> int:
    return (AMOUNT_SAT + FEE_SAT) * len(_signatures(run)) + _others_sat(run)


SIGN_TRANSACTION = Spend(
    "sign_transaction",
    "sign_transaction",
    (
        Case(),
        Case(late="after"),
        Case(late="soon"),
        Case(first=locked),
        Case(first=taken),
        Case(first=other),
        Case(before=held, first=released),
        Case(last=elsewhere),
        Case(last=mined),
    ),
    ask=_signs,
    effects=_signatures,
    cost_sat=_signed_sat,
    always=_given_away,
    connector=signing.CONNECTOR,
)

# bump_fee

OLD = SEND.model_copy(update={"idempotency_key": "old"})
SMALL = OLD.model_copy(update={"recipients": [PayTo(address=ADDRESS, amount_sat=79_500)]})
"""What is left of its coin does not pay for a higher fee."""

OLD_ID = payment_id("send_payment", "old")
BUMP = BumpFee(payment_id=OLD_ID, max_fee_sat=5_000, idempotency_key="one")
RIVAL = BUMP.model_copy(update={"idempotency_key": "other"})


def _pays_old(run: Trial) -> None:
    """The payment whose fee is raised."""
    request = SMALL if run.case.about else OLD
    pay(run.other, "bitcoin.send_payment", request, request.draft("main"), ADA, OWNER)
    (run.old,) = run.node.effects


def _bump(run: Trial, ledger: Ledger, request: BumpFee) -> str:
    asked = request.asked(ADA.tenant)
    if request.payment_id is not None:
        find(run.table, ADA.tenant, request.payment_id)
    head = pay(ledger, "bitcoin.bump_fee", request, asked, ADA, OWNER)
    return told(Bumped, head, replaces_payment_id=request.payment_id).txid


def _bumped(run: Trial) -> list[str]:
    return [txid for txid in run.node.effects if txid not in {run.old, *run.others}]


def _paying(run: Trial) -> list[dict[str, Any]]:
    """The transactions that pay the recipients of the old payment."""
    found = run.node.mempool | run.node.chain
    return [found[one] for one in run.node.effects if found[one]["amount"] != OTHER_SAT]


def _paid_once(run: Trial) -> Iterator[str]:
    if len(_paying(run)) > 1:
        yield "I1 the recipients are paid twice"


def _bumped_sat(run: Trial) -> int:
    """The amount once, and the fee of what pays it; the old fee, if somebody else has undone it."""
    amount = 79_500 if run.case.about else AMOUNT_SAT
    fee = sum(map(fee_of, _paying(run))) if _paying(run) else FEE_SAT
    return amount + fee + _others_sat(run)


def _both_agree(run: Trial) -> Iterator[str]:
    old = run.record(OLD_ID)
    assert old is not None
    rivals = {*run.others.values()} & {payment_id("bump_fee", "other")}
    by = {run.spend.payment_id} if run.state == "succeeded" else rivals
    if old.state != "succeeded" or {old.data.get("replaced_by")} - {None} != by:
        yield "I2 the record of the old payment does not say what replaced it"
    if not _paying(run) and ELSEWHERE not in run.node.chain:
        yield "I9 the recipients are not paid any more"


def rival(run: Trial) -> None:
    """The same caller raises the fee of the same payment by another request."""
    run.pays_other("bump_fee", lambda: _bump(run, run.other, RIVAL))


def replaced(run: Trial) -> None:
    """Somebody with the same keys replaces the old payment, if it still waits."""
    if run.old in run.node.mempool:
        coins = run.node.mempool.pop(run.old)["coins"]
        run.node.mempool[ELSEWHERE] = {"coins": coins, "amount": 0, "to": [], "fee": 20_000}


BUMP_FEE = Spend(
    "bump_fee",
    "bump_fee",
    (
        Case(),
        Case(late="after"),
        Case(late="soon"),
        Case(refuses=1),
        Case(refuses=1, late="soon"),
        Case(sending=mined),
        Case(first=mined),
        Case(first=rival),
        Case(first=locked),
        Case(first=replaced),
        Case(first=other),
        Case(last=mined),
        Case(last=rival),
        Case(last=elsewhere),
        Case(about="small"),
        Case(first=other, about="small"),
    ),
    ask=lambda run: _bump(run, run.ledger, BUMP),
    effects=_bumped,
    cost_sat=_bumped_sat,
    begin=_pays_old,
    always=_paid_once,
    ended=_both_agree,
)

# bump_fee, for somebody else's transaction

PARENT = "b" * 64
CHILD = BumpFee(txid=PARENT, wallet="till", max_fee_sat=9_000, feerate_sat_per_kvb=20_000, idempotency_key="one")
CHILD_SAT = 20 * 2 * VSIZE - VSIZE
"""What both pay together at that feerate, less what the parent has paid."""


def sibling(run: Trial) -> None:
    """The same caller makes a child of the same transaction by another request."""
    request = CHILD.model_copy(update={"idempotency_key": "other"})
    run.pays_other("bump_fee", lambda: _bump(run, run.other, request))


def excluded(run: Trial) -> None:
    """A block has another transaction in the parent's place, if nobody has the child by then."""
    if not run.spend.effects(run):
        run.node.exclude(PARENT)


def _children_sat(run: Trial) -> int:
    siblings = payment_id("bump_fee", "other") in run.others.values()
    return CHILD_SAT * (len(_sent(run)) + siblings) + _others_sat(run)


CHILD_FEE = Spend(
    "bump_fee_child",
    "bump_fee",
    (
        Case(),
        Case(late="after"),
        Case(late="soon"),
        Case(refuses=1),
        Case(sending=excluded),
        Case(first=excluded),
        Case(first=mined),
        Case(first=locked),
        Case(first=sibling),
        Case(first=other),
        Case(before=held, first=released),
        Case(last=excluded),
        Case(last=mined),
    ),
    ask=lambda run: _bump(run, run.ledger, CHILD),
    effects=_sent,
    cost_sat=_children_sat,
    begin=lambda run: run.node.arrive(PARENT, 40_000),
    coin=f"{PARENT}:0",
)

SPENDS = (SEND_PAYMENT, BROADCAST_TRANSACTION, SIGN_TRANSACTION, BUMP_FEE, CHILD_FEE)
