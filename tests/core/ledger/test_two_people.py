"""Settling by hand, word by word: who may say what of which payment, and what is kept of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from isthmus.access.caller import Caller, Kind
from isthmus.effects import Succeeded, Unknown
from isthmus.failure import Conflict, Failure, Forbidden, Funds, Invalid
from isthmus.journal import Head
from isthmus.ledger.by_hand import Verdict, settle
from isthmus.ledger.records import PATIENCE_MS
from tests.core.ledger.desk import ADA, Desk
from tests.readable import check_readable, refusal

BEA, CYD = replace(ADA, id="did:key:zBea"), replace(ADA, id="did:key:zCyd")
SEEN = "It is in a block."

Say = Callable[..., Head]


@pytest.fixture
def say(desk: Desk) -> Say:
    """Say something of the payment; by default, that it succeeded and cost 900 msat."""

    def said(who: Caller, verdict: Verdict = "succeeded", spent_msat: int | None = 900, evidence: str = SEEN) -> Head:
        return settle(desk.ledger, desk.head(), who, verdict, evidence, spent_msat if verdict == "succeeded" else None)

    return said


@pytest.fixture
def stuck(desk: Desk) -> Desk:
    """A payment that waits for people."""
    desk.till.answers = desk.till.knows = [Unknown("test/lost")]
    desk.pay()
    assert desk.reconcile(PATIENCE_MS) == {"needs-person": 1}
    return desk


def refused(ask: Callable[[], object]) -> Failure:
    with pytest.raises(Failure) as failure:
        ask()
    check_readable(failure.value.problem("one"))
    return failure.value


def test_what_two_people_say_is_kept_with_who_said_it_and_when(stuck: Desk, say: Say) -> None:
    say(ADA)
    proposed_ms = stuck.now_ms
    stuck.now_ms += 5
    head = say(BEA, evidence="So it is.")

    first = {"verdict": "succeeded", "evidence": SEEN, "by": ADA.id, "at_ms": proposed_ms, "spent_msat": 900}
    second = {"verdict": "succeeded", "evidence": "So it is.", "by": BEA.id, "at_ms": stuck.now_ms, "spent_msat": 900}
    assert (head.state, head.data["settlement"], head.data["spent_msat"]) == ("succeeded", [first, second], 900)
    assert [(one.type, one.by) for one in stuck.events()[-2:]] == [("proposed", ADA.id), ("succeeded", BEA.id)]


def test_what_two_people_refuse_was_refused_by_nobody_else(stuck: Desk, say: Say) -> None:
    say(ADA, "refused")
    head = say(BEA, "refused")

    assert (head.state, head.data["refusal"]["code"]) == ("refused", "ledger/settled-by-hand")
    assert (head.data["refusal"]["kind"], head.data["refusal"]["system"]) == ("refused", "")
    assert (stuck.events()[-1].by, "spent_msat" in head.data) == (BEA.id, False)


def test_a_proposal_that_is_taken_back_says_by_whom(stuck: Desk, say: Say) -> None:
    say(ADA)
    head = say(BEA, "withdrawn")

    assert (head.state, head.data["withdrawal"]["by"]) == ("needs-person", BEA.id)
    assert (stuck.events()[-1].type, stuck.events()[-1].by) == ("withdrawn", BEA.id)


@pytest.mark.parametrize("kind", ["key", "execution", "schedule", "anonymous"])
def test_what_is_no_person_settles_nothing(stuck: Desk, say: Say, kind: Kind) -> None:
    assert refusal(lambda: say(replace(ADA, kind=kind))) == (Forbidden, "ledger/no-person")
    assert stuck.head().state == "needs-person"


def test_who_proposed_it_cannot_confirm_it_with_other_words(stuck: Desk, say: Say) -> None:
    say(ADA)

    assert say(ADA) == stuck.head()
    assert refusal(lambda: say(ADA, evidence="It is so!")) == (Forbidden, "ledger/second-person")
    assert stuck.head().state == "proposed"


@pytest.mark.parametrize("other", [("refused", None), ("succeeded", 899)])
def test_another_verdict_or_amount_confirms_nothing(stuck: Desk, say: Say, other: tuple[Verdict, int | None]) -> None:
    say(ADA)

    assert refusal(lambda: say(BEA, *other)) == (Conflict, "ledger/other-verdict")
    assert stuck.head().state == "proposed"


@pytest.mark.parametrize("verdict", ["succeeded", "refused"])
def test_either_of_the_two_may_repeat_what_they_said_and_nobody_else(stuck: Desk, say: Say, verdict: Verdict) -> None:
    say(ADA, verdict)
    head = say(BEA, verdict)

    assert say(ADA, verdict) == say(BEA, verdict) == head
    failure = refused(lambda: say(CYD, verdict))
    assert (failure.code, failure.next_step) == (
        "ledger/not-waiting",
        "It is settled for ever. GET its location to see its state.",
    )


@pytest.mark.parametrize("other", [("refused", None), ("succeeded", 899), ("withdrawn", None)])
def test_neither_of_the_two_says_anything_else_afterwards(
    stuck: Desk, say: Say, other: tuple[Verdict, int | None]
) -> None:
    say(ADA)
    head = say(BEA)

    assert refusal(lambda: say(BEA, *other)) == (Conflict, "ledger/not-waiting")
    assert stuck.head() == head


def test_what_settled_itself_waits_for_nobody(desk: Desk, say: Say) -> None:
    desk.pay()
    assert refusal(lambda: say(ADA)) == (Conflict, "ledger/not-waiting")


def test_what_the_ledger_still_tries_waits_for_nobody(desk: Desk, say: Say) -> None:
    desk.till.answers = [Unknown("test/lost")]
    desk.pay()

    for verdict in ("succeeded", "refused", "withdrawn"):
        failure = refused(lambda verdict=verdict: say(ADA, verdict))  # type: ignore[misc]
        assert (failure.code, failure.next_step) == (
            "ledger/not-waiting",
            "The ledger goes on finding out by itself. GET its location to see its state.",
        )


def test_only_what_was_proposed_is_withdrawn(stuck: Desk, say: Say) -> None:
    assert refusal(lambda: say(ADA, "withdrawn")) == (Conflict, "ledger/not-waiting")


def test_who_withdrew_it_may_say_so_again_and_nobody_else(stuck: Desk, say: Say) -> None:
    say(ADA)
    head = say(BEA, "withdrawn")

    assert say(BEA, "withdrawn") == head
    assert refusal(lambda: say(ADA, "withdrawn")) == (Conflict, "ledger/not-waiting")


@pytest.mark.parametrize(
    ("verdict", "spent_msat"), [("succeeded", None), ("succeeded", 1_001), ("refused", 0), ("withdrawn", 5)]
)
def test_the_amount_has_to_fit_the_verdict(stuck: Desk, verdict: Verdict, spent_msat: Any) -> None:
    failure = refused(lambda: settle(stuck.ledger, stuck.head(), ADA, verdict, SEEN, spent_msat))

    assert (type(failure), failure.code) == (Invalid, "ledger/spent")
    assert [error.pointer for error in failure.errors] == ["/spent_msat"]
    assert stuck.head().state == "needs-person"


def test_it_may_have_cost_all_that_was_reserved(stuck: Desk, say: Say) -> None:
    assert say(ADA, spent_msat=1_000).state == "proposed"
    assert say(BEA, spent_msat=1_000).data["spent_msat"] == 1_000


def test_what_was_never_made_can_have_cost_nothing(desk: Desk, say: Say) -> None:
    desk.till.prepares = [Funds("There is not enough.", next_step="Fund the wallet.", code="test/funds")]
    desk.pay()

    assert refusal(lambda: say(ADA, spent_msat=1)) == (Invalid, "ledger/spent")
    assert refusal(lambda: say(ADA, "refused")) == (Conflict, "ledger/not-waiting")


def test_what_turns_up_is_no_longer_theirs(stuck: Desk, say: Say) -> None:
    say(ADA, "refused")
    stuck.till.knows = [Succeeded(900)]
    assert stuck.reconcile(PATIENCE_MS) == {"succeeded": 1}

    assert refusal(lambda: say(BEA, "refused")) == (Conflict, "ledger/not-waiting")
