"""What a payment's record holds, and what can be read back from it."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from isthmus.access.caller import Caller
from isthmus.effects import Outcome, Pending, Prepared, Refused, Succeeded, Unknown
from isthmus.failure import (
    Conflict,
    Expired,
    Failure,
    Funds,
    Integrity,
    Limited,
    NotFound,
    Precondition,
    Unavailable,
    Upstream,
)
from isthmus.failure import Refused as RefusedFailure
from isthmus.failure import Unknown as UnknownFailure
from isthmus.journal import Head
from isthmus.ledger import answers, records
from isthmus.ledger.records import LEASES, UNSETTLED, Intent
from tests.core.ledger.desk import ADA, NOW_MS, PREPARED, Desk, Store, intent
from tests.readable import check_readable, refusal

NO = Refused(
    "refused", "test/fee", "The fee is too low.", "Pay more.", for_good=False, system="node", upstream_code="-26"
)
TOLD = {
    "kind": "refused",
    "code": "test/fee",
    "reason": "The fee is too low.",
    "next_step": "Pay more.",
    "system": "node",
    "upstream_code": "-26",
}


def record(data: dict[str, Any], state: str = "sending", at_ms: int = NOW_MS) -> Head:
    return Head("ledger/payment/one", 1, state, data, at_ms, "the hash")


# its name


def test_a_payment_and_its_request_have_the_same_name_in_every_release() -> None:
    named = b'["main","did:key:zAda","bitcoin.send_payment","one"]'
    assert intent().payment_id == hashlib.sha256(named).hexdigest()[:32]
    asked = b'{"amount_sat":1,"to":["ada","bea"]}'
    assert intent(to=["ada", "bea"], amount_sat=1).request_hash == hashlib.sha256(asked).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        replace(intent(), key="two"),
        replace(intent(), operation="bitcoin.bump_fee"),
        replace(intent(), caller=replace(ADA, id="did:key:zBea")),
        replace(intent(), caller=replace(ADA, tenant="other")),
    ],
)
def test_another_key_operation_caller_or_tenant_is_another_payment(other: Intent) -> None:
    assert other.payment_id != intent().payment_id


def test_how_the_payment_is_made_and_what_the_caller_may_do_are_no_part_of_its_name() -> None:
    assert replace(intent(), connector="other", caller=Caller("key", ADA.id, "operator")).payment_id == (
        intent().payment_id
    )


# what it holds


@pytest.mark.parametrize("prepared", [PREPARED, replace(PREPARED, leases=("a", "b"), replaces="another payment")])
def test_what_was_prepared_is_read_back_as_it_was(prepared: Prepared) -> None:
    data = records.data_of(intent(), prepared, NOW_MS)

    assert records.prepared_of(record(data)) == prepared
    assert ("replaces" in data) == bool(prepared.replaces)


def test_a_record_says_who_wanted_what_and_when() -> None:
    data = records.data_of(intent(), PREPARED, NOW_MS)

    assert data["attempts"] == 1
    assert {name: data[name] for name in ("created_ms", "payment_id", "operation", "connector", "by", "tenant")} == {
        "created_ms": NOW_MS,
        "payment_id": intent().payment_id,
        "operation": "bitcoin.send_payment",
        "connector": "till",
        "by": ADA.id,
        "tenant": ADA.tenant,
    }


@pytest.mark.parametrize("kind", [Conflict, Expired, Funds, Limited, Precondition, RefusedFailure])
@pytest.mark.parametrize("upstream", [None, Upstream("node", -26), Upstream("node", "too-long-mempool-chain")])
def test_a_refusal_is_told_from_its_record_as_it_was_told_at_first(
    kind: type[Failure], upstream: Upstream | None
) -> None:
    first = kind("It cannot be done.", next_step="Do otherwise.", code="test/no", upstream=upstream)
    again = answers.refusal_of(record(records.declined_of(intent(), first, NOW_MS), "refused"))

    assert (type(again), again.problem("one")) == (kind, first.problem("one"))


def test_a_refusal_of_any_other_kind_is_the_other_sides_no() -> None:
    no = answers.refusal_of(record({"refusal": TOLD | {"kind": "invalid"}}, "refused"))
    assert (type(no), no.code, no.upstream) == (RefusedFailure, "test/fee", Upstream("node", -26))


@pytest.mark.parametrize(
    ("outcome", "first", "event", "data"),
    [
        (Succeeded(900, {"preimage": "00"}), True, "succeeded", {"spent_msat": 900, "result": {"preimage": "00"}}),
        (Pending({"hops": 3}), True, "pending", {"result": {"hops": 3}}),
        (Unknown("test/lost"), True, "lost", {"lost": "test/lost"}),
        (NO, True, "refused", {"refusal": TOLD}),
        (NO, False, "lost", {"lost": "test/fee"}),
        (replace(NO, for_good=True), False, "refused", {"refusal": TOLD}),
    ],
)
def test_an_outcome_is_this_event(outcome: Outcome, first: bool, event: str, data: dict[str, Any]) -> None:  # noqa: FBT001
    assert records.event_of(outcome, first=first) == (event, data)


# what follows from it


@pytest.mark.parametrize(
    ("attempts", "looks", "pause_s"),
    [(1, 0, 1), (1, 1, 1), (2, 0, 5), (1, 2, 5), (3, 1, 30), (1, 4, 120), (5, 0, 600), (6, 0, 3600), (1, 99, 3600)],
)
def test_the_more_it_was_tried_or_looked_at_the_later_it_is_due(attempts: int, looks: int, pause_s: int) -> None:
    put = records.due(record({"attempts": attempts, "payment_id": "one"}), NOW_MS, looks)

    assert (put.pk, put.sk) == (UNSETTLED, "one")
    assert put.item == {"due_ms": NOW_MS + pause_s * 1_000, "looks": looks}


@pytest.mark.parametrize(
    ("head", "may"),
    [
        (record({}, "succeeded"), True),
        (record({"replaced_by": "another"}, "succeeded"), False),
        (record({}, "sending"), False),
        (record({}, "refused"), False),
        (None, False),
    ],
)
def test_only_what_succeeded_and_stands_may_be_replaced(head: Head | None, may: bool) -> None:  # noqa: FBT001
    assert records.may_be_replaced(head) is may


@pytest.mark.parametrize("event", ["succeeded", "lost", "pending", "resent"])
def test_what_does_not_contradict_a_final_record_changes_nothing(event: str) -> None:
    head = record({}, "succeeded")
    assert records.agreeing(head, event) is head


@pytest.mark.parametrize(("state", "event"), [("succeeded", "refused"), ("refused", "succeeded")])
def test_what_contradicts_a_final_record_is_an_alarm(state: str, event: str) -> None:
    assert refusal(lambda: records.agreeing(record({}, state), event)) == (Integrity, "ledger/contradiction")


def test_the_leases_of_a_connector_are_all_of_its_own(desk: Desk) -> None:
    store = Store()
    for number in range(1_001):
        store.items[LEASES, records.lease("till", f"coin-{number}")] = "{}"
    store.items[LEASES, records.lease("till-signatures", "another")] = "{}"
    store.items[LEASES, records.lease("a", "another")] = "{}"

    assert records.leased(store, "till") == {f"coin-{number}" for number in range(1_001)}
    assert records.leased(desk.store, "till") == set()


# what its reader is told


def test_a_payment_on_its_way_says_where_and_when_to_ask_again() -> None:
    with pytest.raises(UnknownFailure) as unsettled:
        answers.settled(record({"payment_id": "one"}, "unknown"))
    check_readable(unsettled.value.problem("one"))
    told = unsettled.value
    assert (told.code, told.location, told.retry_after_ms) == (
        "ledger/unsettled",
        "/v1/ledger/payments/one",
        2_000,
    )


def test_what_was_only_postponed_is_no_payment(desk: Desk) -> None:
    desk.till.prepares = [Precondition("The wallet is locked.", next_step="Unlock it.", code="test/locked")]
    assert refusal(desk.pay) == (Precondition, "test/locked")

    assert refusal(lambda: answers.find(desk.store, "main", intent().payment_id)) == (NotFound, "ledger/no-payment")


def test_a_payment_that_was_refused_before_it_was_made_shows_why_and_nothing_else(desk: Desk) -> None:
    desk.till.prepares = [Funds("There is not enough.", next_step="Fund the wallet.", code="test/funds")]
    seen = answers.view(desk.pay())

    assert (seen.identity, seen.max_msat, seen.spent_msat, seen.detail) == (None, None, None, {})
    assert seen.refusal is not None
    assert (seen.refusal.code, seen.refusal.reason) == ("test/funds", "There is not enough.")


def test_a_payment_shows_what_it_may_cost_and_what_it_cost(desk: Desk) -> None:
    desk.till.answers = [Unknown("test/lost")]
    seen = answers.view(desk.pay())
    assert (seen.max_msat, seen.spent_msat, seen.state, seen.identity) == (1_000, None, "unknown", "the txid")

    desk.reconcile(1_000)
    seen = answers.view(desk.head())
    assert (seen.max_msat, seen.spent_msat, seen.refusal, seen.proposal) == (1_000, 900, None, None)
    assert (seen.created_ms, seen.changed_ms, seen.version) == (NOW_MS, NOW_MS + 1_000, 3)


def test_what_says_nothing_is_no_refusal(desk: Desk) -> None:
    desk.till.prepares = [Unavailable("The node is away.", next_step="Repeat.", code="test/away")]
    assert refusal(desk.pay) == (Unavailable, "test/away")
    assert refusal(lambda: answers.find(desk.store, "main", intent().payment_id)) == (NotFound, "ledger/no-payment")
