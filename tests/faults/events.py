"""What may happen beside an operation that spends: before it, between the client's calls, after them."""

from functions.bitcoin.send_payment import SendPayment
from isthmus.bitcoin import payments
from isthmus.bitcoin.wanted import PayTo
from isthmus.ledger.paying import pay
from isthmus.ledger.records import LEASES, lease
from isthmus.storage.table import Put
from tests.faults.bodies import FEE_SAT
from tests.faults.node import ELSEWHERE
from tests.faults.trial import ADA, ADDRESS, OTHER_SAT, OWNER, Trial

OTHER = SendPayment(
    wallet="till",
    recipients=[PayTo(address=ADDRESS, amount_sat=OTHER_SAT)],
    max_fee_sat=1_000,
    idempotency_key="other",
)


def locked(run: Trial) -> None:
    """The wallet is locked, until the client gives up."""
    run.node.wallet_locked = True


def mined(run: Trial) -> None:
    """Whatever waits is in a block."""
    run.node.mine()


def swept(run: Trial) -> None:
    """Whatever waits is in a block, and what it pays is spent again."""
    run.node.swept = True
    run.node.mine()


def elsewhere(run: Trial) -> None:
    """The coins are spent elsewhere and mined, if nobody has the payment by then."""
    if not run.spend.effects(run):
        run.node.spend_elsewhere()


def taken(run: Trial) -> None:
    """Somebody else's transaction spends the coins and waits, if nobody has the payment by then."""
    if not run.spend.effects(run):
        run.node.wait_elsewhere(FEE_SAT // 3)
        if not run.told:  # what was sent before may still arrive, and replace it
            run.others[ELSEWHERE] = ""


def other(run: Trial) -> None:
    """The same caller pays something else from the same wallet."""
    run.pays_other(
        "send_payment", lambda: pay(run.other, "bitcoin.send_payment", OTHER, OTHER.draft("main"), ADA, OWNER)
    )


def held(run: Trial) -> None:
    """A payment of somebody else holds a coin."""
    key = lease(payments.CONNECTOR, run.spend.coin)
    run.table.transact([Put(LEASES, key, {"payment_id": "f" * 32})])


def released(run: Trial) -> None:
    """It lets go of it."""
    run.table.delete(LEASES, lease(payments.CONNECTOR, run.spend.coin))
