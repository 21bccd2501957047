"""Every row of a payment's lifecycle, and every row that is not there."""

from dataclasses import replace

import pytest

from isthmus import journal
from isthmus.failure import Conflict
from isthmus.ledger.records import FINAL, PAYMENT

STATES = ("", "postponed", "sending", "unknown", "pending", "needs-person", "proposed", "succeeded", "refused")
EVENTS = (
    *("prepared", "refused", "postponed", "succeeded", "pending", "lost", "resent", "escalated", "proposed"),
    *("withdrawn", "replaced"),
)
ALLOWED = """
-             prepared   sending
-             refused    refused
-             postponed  postponed
postponed     prepared   sending
postponed     refused    refused
postponed     postponed  postponed
sending       succeeded  succeeded
sending       refused    refused
sending       pending    pending
sending       lost       unknown
sending       resent     unknown
sending       escalated  needs-person
unknown       succeeded  succeeded
unknown       refused    refused
unknown       pending    pending
unknown       resent     unknown
unknown       escalated  needs-person
pending       succeeded  succeeded
pending       refused    refused
pending       lost       unknown
pending       resent     unknown
pending       escalated  needs-person
needs-person  succeeded  succeeded
needs-person  refused    refused
needs-person  proposed   proposed
proposed      succeeded  succeeded
proposed      refused    refused
proposed      withdrawn  needs-person
succeeded     replaced   succeeded
"""
TABLE = {
    (before.replace("-", "") if before == "-" else before, event): after
    for before, event, after in (line.split() for line in ALLOWED.strip().splitlines())
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", STATES)
def test_a_payment_becomes_what_the_table_says_and_nothing_else(state: str, event: str) -> None:
    before = replace(journal.fresh("ledger/payment/one"), state=state, version=4)
    if (state, event) in TABLE:
        assert journal.draft(PAYMENT, before, event, {}, now_ms=1, by="ada").head.state == TABLE[state, event]
        return
    with pytest.raises(Conflict) as refused:
        journal.draft(PAYMENT, before, event, {}, now_ms=1, by="ada")
    assert refused.value.code == "state/not-allowed"


def test_the_table_is_the_lifecycle() -> None:
    assert dict(PAYMENT.transitions) == TABLE


def test_from_every_state_that_is_not_final_a_final_one_can_be_reached() -> None:
    reaching = set(FINAL)
    for _ in STATES:
        reaching |= {before for (before, _), after in TABLE.items() if after in reaching}
    assert reaching == set(STATES)


def test_what_is_final_stays_so() -> None:
    assert all(after == before for (before, _), after in TABLE.items() if before in FINAL)
