"""What nothing but people can tell, two of them say, and the books close with it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from functions.bitcoin.send_payment import send_payment
from functions.ledger.list_unsettled import list_unsettled
from functions.ledger.reconcile_payments import reconcile_payments
from functions.ledger.settle_by_hand import settle_by_hand
from functions.state.get_history import get_history
from isthmus import journal
from isthmus.access import budgets
from isthmus.access.caller import Caller
from isthmus.ledger.records import PATIENCE_MS, aggregate, leased
from tests.faults.calls import OWNER, SmallWorld, small_world
from tests.operations.ledger.test_get_payment import WANTED
from tests.operations.ledger.test_list_unsettled import lose_the_answer
from tests.operations.ledger.test_reconcile_payments import SCHEDULED

SEEN = "The node's mempool and two explorers do not know it; its coin is spent by another transaction."
SPENT_MSAT = 50_300_000
REFUSED: dict[str, Any] = {"verdict": "refused", "evidence": SEEN}
SUCCEEDED: dict[str, Any] = {"verdict": "succeeded", "evidence": SEEN, "spent_msat": SPENT_MSAT}
WITHDRAWN: dict[str, Any] = {"verdict": "withdrawn", "evidence": SEEN}


@pytest.fixture
def here() -> Iterator[SmallWorld]:
    with small_world() as made:
        yield made


@pytest.fixture
def stuck(here: SmallWorld) -> str:
    """A payment that waits for people."""
    location = lose_the_answer(here, "one")
    here.node.unreachable = True
    here.ms += PATIENCE_MS
    reconcile_payments(SCHEDULED, None)
    return location.rpartition("/")[2]


def bea(here: SmallWorld) -> Caller:
    """A second person."""
    return replace(here.owner(), id="did:key:zBea")


def said(here: SmallWorld, payment_id: str, what: dict[str, Any], who: Caller | None = None) -> tuple[int, Any]:
    status, body, _ = here.call(settle_by_hand, {"payment_id": payment_id, **what}, caller=who)
    return status, body


def test_one_person_alone_settles_nothing(here: SmallWorld, stuck: str) -> None:
    status, body = said(here, stuck, REFUSED)

    assert (status, body["state"], body["refusal"]) == (200, "proposed", None)
    assert (body["proposal"]["by"], body["proposal"]["evidence"]) == (OWNER, SEEN)
    assert here.call(list_unsettled, {})[1]["payments"][0]["state"] == "proposed"


def test_who_proposed_it_cannot_confirm_it(here: SmallWorld, stuck: str) -> None:
    said(here, stuck, REFUSED)
    status, body = said(here, stuck, REFUSED | {"evidence": "I have looked again, and it is so."})

    assert (status, body["type"]) == (403, "/problems/forbidden/ledger/second-person")


@pytest.mark.parametrize(("what", "state", "spent"), [(REFUSED, "refused", 0), (SUCCEEDED, "succeeded", SPENT_MSAT)])
def test_two_people_close_the_books(here: SmallWorld, stuck: str, what: dict[str, Any], state: str, spent: int) -> None:
    assert leased(here.table, "bitcoin")
    said(here, stuck, what)
    status, body = said(here, stuck, what | {"evidence": "I have seen the same."}, bea(here))

    books = budgets.budget(here.table.get(budgets.BUDGETS, OWNER), here.ms)
    assert (status, body["state"], body["proposal"]) == (200, state, None)
    assert (books.reserved_msat, books.spent_msat) == (0, spent)
    assert leased(here.table, "bitcoin") == set()
    assert here.call(list_unsettled, {})[1]["payments"] == []
    assert journal.verify(here.table, aggregate(stuck)).state == state


def test_who_said_what_is_kept(here: SmallWorld, stuck: str) -> None:
    said(here, stuck, REFUSED)
    said(here, stuck, REFUSED | {"evidence": "I have seen the same."}, bea(here))
    events = here.call(get_history, {"aggregate": aggregate(stuck)})[1]["events"]

    assert [(one["type"], one["by"]) for one in events[-2:]] == [("proposed", OWNER), ("refused", "did:key:zBea")]
    assert [one["evidence"] for one in events[-1]["data"]["settlement"]] == [SEEN, "I have seen the same."]


def test_a_payment_that_two_people_refused_says_so_for_ever(here: SmallWorld, stuck: str) -> None:
    said(here, stuck, REFUSED)
    said(here, stuck, REFUSED, bea(here))
    here.node.unreachable = False
    status, body, _ = here.call(send_payment, WANTED, idempotency_key="one")

    assert (status, body["type"]) == (422, "/problems/refused/ledger/settled-by-hand")
    assert len(here.node.sent) == 1


@pytest.mark.parametrize("other", [SUCCEEDED, {"verdict": "succeeded", "evidence": SEEN, "spent_msat": 1}])
def test_two_people_who_disagree_settle_nothing(here: SmallWorld, stuck: str, other: dict[str, Any]) -> None:
    said(here, stuck, REFUSED if other is SUCCEEDED else SUCCEEDED)
    status, body = said(here, stuck, other, bea(here))

    assert (status, body["type"]) == (409, "/problems/conflict/ledger/other-verdict")


@pytest.mark.parametrize("who", ["the one who proposed", "another"])
def test_either_may_take_a_proposal_back(here: SmallWorld, stuck: str, who: str) -> None:
    said(here, stuck, REFUSED)
    status, body = said(here, stuck, WITHDRAWN, bea(here) if who == "another" else None)
    assert (status, body["state"], body["proposal"]) == (200, "needs-person", None)

    assert said(here, stuck, SUCCEEDED, bea(here))[1]["state"] == "proposed"
    assert said(here, stuck, SUCCEEDED)[1]["state"] == "succeeded"


def test_the_same_again_does_nothing(here: SmallWorld, stuck: str) -> None:
    for what, who in ((REFUSED, None), (WITHDRAWN, bea(here)), (REFUSED, bea(here)), (REFUSED, None)):
        first = said(here, stuck, what, who)
        assert said(here, stuck, what, who) == first
        assert first[0] == 200


def test_what_turns_up_while_people_think_is_no_longer_theirs(here: SmallWorld, stuck: str) -> None:
    said(here, stuck, REFUSED)
    here.node.unreachable = False
    here.ms += 3_600_000
    reconcile_payments(SCHEDULED, None)
    status, body = said(here, stuck, REFUSED, bea(here))

    assert (status, body["type"]) == (409, "/problems/conflict/ledger/not-waiting")


def test_what_the_ledger_still_tries_is_not_for_people_to_settle(here: SmallWorld) -> None:
    payment_id = lose_the_answer(here, "one").rpartition("/")[2]

    for what in (REFUSED, WITHDRAWN):
        assert said(here, payment_id, what)[1]["type"] == "/problems/conflict/ledger/not-waiting"


@pytest.mark.parametrize(
    "wrong",
    [{"spent_msat": None}, {"spent_msat": SPENT_MSAT + 10**9}, {"verdict": "refused"}, {"evidence": "believe me"[:9]}],
)
def test_amounts_and_evidence_have_to_fit(here: SmallWorld, stuck: str, wrong: dict[str, Any]) -> None:
    assert said(here, stuck, SUCCEEDED | wrong)[0] == 422
    assert journal.load(here.table, aggregate(stuck)).state == "needs-person"  # type: ignore[union-attr]


@pytest.mark.parametrize(("kind", "role"), [("key", "owner"), ("execution", "system"), ("schedule", "system")])
def test_no_program_settles_by_hand(here: SmallWorld, stuck: str, kind: Any, role: Any) -> None:
    assert said(here, stuck, REFUSED, replace(here.owner(), kind=kind, role=role))[0] == 403


def test_another_tenants_payment_is_answered_like_none(here: SmallWorld, stuck: str) -> None:
    theirs, nobodys = said(here, stuck, REFUSED, here.owner("other")), said(here, "0" * 32, REFUSED)

    assert theirs[0] == 404
    assert theirs[1] == nobodys[1]
