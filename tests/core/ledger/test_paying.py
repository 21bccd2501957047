"""Paying for a request: one answer for one key, whatever the request is made of."""

from datetime import date
from typing import Any

import pytest

from isthmus.access.caller import Caller
from isthmus.access.limits import limits_of
from isthmus.effects import Unknown
from isthmus.failure import Conflict, Limited
from isthmus.failure import Unknown as UnknownFailure
from isthmus.fields import Request, Response
from isthmus.ledger.paying import pay, told
from tests.core.ledger.desk import ADA, NOW_MS, Desk
from tests.readable import refusal

OWNER = Caller("did", "did:key:zOwner", "owner", scopes=("*",), authenticated_ms=NOW_MS, max_msat=10**12)


class Wanted(Request):
    """A request with a value that JSON has no form for."""

    idempotency_key: str
    due: date = date(2030, 1, 1)


class Paid(Response):
    """An answer."""

    payment_id: str
    fee_sat: int
    note: str


def paid(desk: Desk, caller: Caller = OWNER, **fields: Any) -> Any:
    return pay(desk.ledger, "test.pay", Wanted(idempotency_key="one", **fields), "asked", caller, OWNER.id)


def test_a_request_is_paid_within_its_callers_limits_and_answered_from_its_record(desk: Desk) -> None:
    head = paid(desk)

    assert paid(desk) == head
    assert desk.till.asked == ["asked"]
    assert (head.data["operation"], head.data["connector"], head.data["by"]) == ("test.pay", "till", OWNER.id)
    assert told(Paid, head, note="thanks") == Paid(payment_id=head.data["payment_id"], fee_sat=1, note="thanks")


def test_another_request_under_the_same_key_is_refused(desk: Desk) -> None:
    paid(desk)
    assert refusal(lambda: paid(desk, due=date(2031, 1, 1))) == (Conflict, "ledger/key-reused")


def test_what_is_on_its_way_is_not_answered_as_done(desk: Desk) -> None:
    desk.till.answers = [Unknown("test/lost")]
    assert refusal(lambda: paid(desk)) == (UnknownFailure, "ledger/unsettled")


def test_who_has_no_budget_pays_nothing(desk: Desk) -> None:
    assert limits_of(desk.store, OWNER.id, ADA).day_msat == 0
    with pytest.raises(Limited):
        paid(desk, ADA)
    assert desk.till.sent == []
