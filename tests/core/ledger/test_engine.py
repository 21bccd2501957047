"""The engine, call by call: what it records, whom it asks, and who comes between."""

from dataclasses import replace

import pytest

from isthmus import journal
from isthmus.access import budgets
from isthmus.effects import Outcome, Pending, Refused, Succeeded, Unknown
from isthmus.failure import Conflict, Failure, Funds, Integrity, Invalid, Precondition, Unavailable
from isthmus.failure import Unknown as UnknownFailure
from isthmus.journal import Head
from isthmus.ledger import answers, engine
from isthmus.ledger.records import LADDER_S, LEASES, PATIENCE_MS, PAYMENT, UNSETTLED, aggregate, leased
from tests.core.ledger.desk import ADA, NOW_MS, PREPARED, Desk, intent, no_answer
from tests.readable import check_readable, refusal

DOUBT = Unknown("test/lost")
NEVER_SEEN = Unknown("test/not-seen", seen=False)
NOT_NOW = Refused("refused", "test/fee", "The fee is too low.", "Pay more.", for_good=False)
NEVER = Refused("refused", "test/spent", "Its coin is spent.", "Pay anew.", for_good=True)
TAKEN = Conflict("A coin was taken.", next_step="Repeat.", code="test/taken")


# paying


def test_a_payment_is_prepared_recorded_sent_and_booked(desk: Desk) -> None:
    head = desk.pay()

    assert (head.state, head.data["spent_msat"]) == ("succeeded", 900)
    assert (desk.till.asked, desk.till.sent) == (["a request"], [PREPARED])
    assert desk.happened() == ["prepared", "succeeded"]
    assert {one.by for one in desk.events()} == {ADA.id}
    assert (desk.budget().reserved_msat, desk.budget().spent_msat) == (0, 900)


def test_before_it_is_sent_it_is_recorded_with_all_it_holds(desk: Desk) -> None:
    def answer() -> Succeeded:
        assert desk.head().state == "sending"
        assert desk.budget().reserved_msat == 1_000
        assert desk.store.get(LEASES, "till/a coin") == {"payment_id": intent().payment_id}
        assert desk.waiting() == {"due_ms": NOW_MS + 1_000, "looks": 0}
        return Succeeded(900)

    desk.till.answers = [answer]
    assert desk.pay().state == "succeeded"
    assert leased(desk.store, "till") == set()
    assert desk.waiting() is None


def test_the_same_again_is_answered_from_its_record(desk: Desk) -> None:
    first = desk.pay()

    assert desk.pay() == first
    assert (len(desk.till.asked), len(desk.till.sent)) == (1, 1)


def test_the_same_key_for_another_request_is_refused(desk: Desk) -> None:
    desk.pay()
    assert refusal(lambda: desk.ledger.pay(intent(amount=2), "another", engine.Limits(1, 1, 1))) == (
        Conflict,
        "ledger/key-reused",
    )


def test_a_definite_no_to_the_first_sending_gives_everything_back(desk: Desk) -> None:
    desk.till.answers = [NOT_NOW]

    assert desk.pay().state == "refused"
    assert (desk.budget().reserved_msat, desk.budget().spent_msat) == (0, 0)
    assert (leased(desk.store, "till"), desk.waiting()) == (set(), None)


def test_what_was_taken_meanwhile_is_chosen_anew(desk: Desk) -> None:
    desk.till.prepares = [TAKEN, TAKEN, PREPARED]

    assert desk.pay().state == "succeeded"
    assert len(desk.till.asked) == 3


def test_a_coin_that_a_payment_holds_is_held_by_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_TRIES", 3)
    desk.till.answers = [DOUBT]
    desk.pay("one")

    assert refusal(lambda: desk.pay("two")) == (Unavailable, "ledger/busy")
    assert (len(desk.till.asked), len(desk.till.sent)) == (4, 1)


def test_who_never_comes_to_choose_is_asked_to_come_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_TRIES", 3)
    desk.till.prepares = [TAKEN]

    with pytest.raises(Unavailable) as refused:
        desk.pay()
    assert (refused.value.code, refused.value.retry_after_ms) == ("ledger/busy", 1_000)
    assert desk.store.items == {}


def test_who_is_overtaken_while_preparing_sends_nothing(desk: Desk) -> None:
    def overtaken() -> object:
        desk.elsewhere().pay()
        return replace(PREPARED, identity="another txid")

    desk.till.prepares = [overtaken]
    assert desk.pay() == desk.head()
    assert desk.head().data["identity"] == "the txid"
    assert desk.till.sent == []


def test_what_another_call_has_postponed_meanwhile_is_paid(desk: Desk) -> None:
    def overtaken() -> object:
        there = desk.elsewhere()
        there.till.prepares = [Precondition("The wallet is locked.", next_step="Unlock it.", code="test/locked")]
        assert refusal(there.pay) == (Precondition, "test/locked")
        return PREPARED

    desk.till.prepares = [overtaken, PREPARED]
    assert desk.pay().state == "succeeded"
    assert desk.happened() == ["postponed", "prepared", "succeeded"]


# when the connector refuses to prepare


FUNDS = Funds("There is not enough.", next_step="Fund the wallet.", code="test/funds")
LOCKED = Precondition("The wallet is locked.", next_step="Unlock it.", code="test/locked")


def test_a_final_no_is_recorded_and_stays_though_it_were_possible_later(desk: Desk) -> None:
    desk.till.prepares = [FUNDS, PREPARED]
    first = desk.pay()

    assert (first.state, first.data["refusal"]["code"]) == ("refused", "test/funds")
    assert (first.data["created_ms"], first.at_ms) == (NOW_MS, NOW_MS)
    assert [one.by for one in desk.events()] == [ADA.id]
    assert desk.pay() == first
    assert desk.till.sent == []


def test_what_may_be_possible_later_is_paid_later_under_the_same_key(desk: Desk) -> None:
    desk.till.prepares = [LOCKED, PREPARED]

    assert refusal(desk.pay) == (Precondition, "test/locked")
    assert desk.pay().state == "succeeded"
    assert [(one.type, one.by) for one in desk.events()] == [
        ("postponed", ADA.id),
        ("prepared", ADA.id),
        ("succeeded", ADA.id),
    ]


@pytest.mark.parametrize(
    "failure",
    [
        Invalid("The address is none.", next_step="Correct it.", code="test/invalid"),
        Unavailable("The node is away.", next_step="Repeat.", code="test/away"),
    ],
)
def test_what_depends_on_the_request_alone_or_says_nothing_leaves_no_record(desk: Desk, failure: Failure) -> None:
    desk.till.prepares = [failure]

    assert refusal(desk.pay) == (type(failure), failure.code)
    assert desk.store.items == {}


@pytest.mark.parametrize("failure", [FUNDS, LOCKED])
def test_a_no_that_comes_after_another_calls_record_counts_for_nothing(desk: Desk, failure: Failure) -> None:
    def overtaken() -> object:
        desk.elsewhere().pay()
        raise failure

    desk.till.prepares = [overtaken]
    assert desk.pay().state == "succeeded"
    assert desk.happened() == ["prepared", "succeeded"]


@pytest.mark.parametrize("failure", [FUNDS, LOCKED])
def test_a_no_that_another_call_overtakes_while_it_is_recorded_counts_for_nothing(desk: Desk, failure: Failure) -> None:
    desk.till.prepares = [failure]
    desk.store.writes = [lambda: desk.elsewhere().pay(), None]

    assert desk.pay().state == "succeeded"
    assert desk.happened() == ["prepared", "succeeded"]


def test_a_no_that_is_never_recorded_is_no_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_TRIES", 3)

    def others_postpone() -> None:
        rest, desk.store.writes = desk.store.writes, [None]
        there = desk.elsewhere()
        there.till.prepares = [LOCKED]
        assert refusal(there.pay) == (Precondition, "test/locked")
        desk.store.writes = rest

    desk.till.prepares = [FUNDS]
    desk.store.writes = [others_postpone]
    assert refusal(desk.pay) == (Unavailable, "ledger/busy")


# when the store does not say whether it has taken the payment


def test_what_the_store_has_taken_without_saying_so_is_sent(desk: Desk) -> None:
    desk.store.writes = ["lost-answer", None]

    assert desk.pay().state == "succeeded"
    assert len(desk.till.sent) == 1


def test_what_the_store_may_still_take_is_not_known_and_says_where_to_ask(desk: Desk) -> None:
    desk.store.writes = ["lost", None]

    with pytest.raises(UnknownFailure) as refused:
        desk.pay()
    check_readable(refused.value.problem("one"))
    assert refused.value.code == "ledger/not-recorded"
    assert refused.value.location == f"/v1/ledger/payments/{intent().payment_id}"
    assert desk.till.sent == []
    assert desk.pay().state == "succeeded"


def test_what_was_postponed_before_is_not_taken_for_the_payment(desk: Desk) -> None:
    desk.till.prepares = [LOCKED, PREPARED]
    assert refusal(desk.pay) == (Precondition, "test/locked")
    desk.store.writes = ["lost", None]

    assert refusal(desk.pay) == (UnknownFailure, "ledger/not-recorded")


def test_a_store_that_is_gone_altogether_leaves_it_unknown(desk: Desk) -> None:
    def gone() -> None:
        desk.store.unreadable = True
        raise no_answer()

    desk.store.writes = [gone]
    assert refusal(desk.pay) == (UnknownFailure, "ledger/not-recorded")
    assert desk.till.sent == []


def test_an_answer_that_cannot_be_recorded_is_looked_up_later(desk: Desk) -> None:
    desk.store.writes = [None, "lost", None]

    assert desk.pay().state == "sending"
    assert desk.reconcile(1_000) == {"succeeded": 1}
    assert len(desk.till.sent) == 1


# looking again


def test_what_is_not_known_is_looked_up_and_not_sent_again(desk: Desk) -> None:
    desk.till.answers = [DOUBT]
    desk.pay()

    assert desk.reconcile(1_000) == {"succeeded": 1}
    assert (desk.till.looked_up, len(desk.till.sent)) == ([PREPARED], 1)
    assert desk.budget().spent_msat == 900


def test_what_nobody_has_seen_is_sent_again_each_time_counted(desk: Desk) -> None:
    desk.till.answers = [DOUBT, DOUBT, DOUBT, Succeeded(900)]
    desk.till.knows = [NEVER_SEEN]
    desk.pay()
    counted = []
    for _ in range(2):
        assert desk.reconcile(3_600_000) == {"unknown": 1}
        counted.append(desk.head().data["attempts"])

    assert counted == [2, 3]
    assert desk.till.sent == [PREPARED] * 3
    assert desk.reconcile(3_600_000) == {"succeeded": 1}


def test_a_refusal_of_what_was_sent_again_proves_nothing(desk: Desk) -> None:
    desk.till.answers, desk.till.knows = [DOUBT, NOT_NOW], [NEVER_SEEN]
    desk.pay()

    assert desk.reconcile(1_000) == {"unknown": 1}
    assert desk.budget().reserved_msat == 1_000


@pytest.mark.parametrize(("knows", "state"), [(NOT_NOW, "unknown"), (NEVER, "refused")])
def test_only_a_refusal_for_good_ends_what_was_not_known(desk: Desk, knows: Refused, state: str) -> None:
    desk.till.answers, desk.till.knows = [DOUBT], [knows]
    desk.pay()

    assert desk.reconcile(1_000) == {state: 1}


def test_a_refusal_counts_for_nothing_once_somebody_has_sent_it_again(desk: Desk) -> None:
    def meanwhile() -> Refused:
        there = desk.elsewhere()
        there.till.knows, there.till.answers = [NEVER_SEEN], [DOUBT]
        assert there.reconcile(1_000) == {"unknown": 1}
        return NOT_NOW

    desk.till.answers = [meanwhile]
    assert desk.pay().state == "unknown"


def test_a_refusal_counts_though_it_is_recorded_at_the_second_try(desk: Desk) -> None:
    def budget_changes() -> None:
        item = desk.store.get(budgets.BUDGETS, ADA.id)
        assert item is not None
        desk.store.items[budgets.BUDGETS, ADA.id] = desk.store.items[budgets.BUDGETS, ADA.id].replace(
            f'"version": {item["version"]}', f'"version": {item["version"] + 1}'
        )

    desk.till.answers = [NOT_NOW]
    desk.store.writes = [None, budget_changes, None]
    assert desk.pay().state == "refused"


def test_who_is_overtaken_before_sending_again_sends_nothing(desk: Desk) -> None:
    def overtaken() -> Unknown:
        assert desk.elsewhere().reconcile() == {"succeeded": 1}
        return NEVER_SEEN

    desk.till.answers, desk.till.knows = [DOUBT], [overtaken]
    desk.pay()
    desk.now_ms += 1_000

    assert desk.ledger.settle(desk.head()).state == "succeeded"
    assert len(desk.till.sent) == 1


def test_what_waits_at_the_neighbour_is_recorded_once(desk: Desk) -> None:
    desk.till.answers = desk.till.knows = [Pending({"hops": 3})]
    assert desk.pay().state == "pending"

    assert desk.reconcile(3_600_000) == {"pending": 1}
    assert desk.happened() == ["prepared", "pending"]
    assert desk.head().data["result"] == {"hops": 3}
    desk.till.knows = [Succeeded(900)]
    assert desk.reconcile(3_600_000) == {"succeeded": 1}


def test_what_was_lost_while_waiting_is_not_known_any_more(desk: Desk) -> None:
    desk.till.answers, desk.till.knows = [Pending()], [DOUBT]
    desk.pay()

    assert desk.reconcile(1_000) == {"unknown": 1}
    assert desk.head().data["lost"] == "test/lost"


def test_a_settled_payment_is_not_looked_up(desk: Desk) -> None:
    head = desk.pay()

    assert desk.ledger.settle(head) == head
    assert desk.till.looked_up == []


def settled_meanwhile(desk: Desk, answered: Outcome, seen: Outcome) -> Head:
    """A payment that another process finds to have succeeded while this one sees something else."""

    def overtaken() -> Outcome:
        assert desk.elsewhere().reconcile() == {"succeeded": 1}
        return seen

    desk.till.answers, desk.till.knows = [answered], [overtaken]
    desk.pay()
    desk.now_ms += 1_000
    return desk.ledger.settle(desk.head())


@pytest.mark.parametrize(("answered", "seen"), [(DOUBT, Succeeded(900)), (Pending(), DOUBT), (DOUBT, Pending())])
def test_what_was_settled_meanwhile_stays_so_beside_what_says_less(
    desk: Desk, answered: Outcome, seen: Outcome
) -> None:
    assert settled_meanwhile(desk, answered, seen) == desk.head()
    assert desk.head().state == "succeeded"


def test_what_contradicts_a_record_that_was_settled_meanwhile_is_told(desk: Desk) -> None:
    with pytest.raises(Integrity) as found:
        settled_meanwhile(desk, DOUBT, NEVER)
    check_readable(found.value.problem("one"))
    assert (found.value.code, found.value.money_moved) == ("ledger/contradiction", "yes")
    assert desk.head().state == "succeeded"


# the schedule


def test_everything_that_is_due_is_looked_after_however_long_the_list(desk: Desk) -> None:
    desk.till.prepares, desk.till.answers = [replace(PREPARED, max_msat=1, leases=())], [DOUBT]
    desk.till.knows = [Succeeded(1)]
    for number in range(102):
        desk.pay(str(number))

    assert desk.reconcile(1_000) == {"succeeded": 102}
    assert desk.store.query(UNSETTLED).rows == ()


def test_nothing_is_looked_after_before_it_is_due(desk: Desk) -> None:
    desk.till.answers = [DOUBT]
    desk.pay()

    assert desk.reconcile(999) == {}
    assert desk.reconcile(1) == {"succeeded": 1}


def test_when_the_time_is_over_the_rest_is_left_for_the_next_pass(desk: Desk) -> None:
    def slow() -> Succeeded:
        desk.now_ms += 10
        return Succeeded(400)

    desk.till.answers, desk.till.knows = [DOUBT], [slow]
    for key in ("one", "two", "three"):
        desk.till.prepares = [replace(PREPARED, max_msat=400, leases=(key,))]
        desk.pay(key)
    desk.now_ms += 1_000

    assert desk.ledger.reconcile(until_ms=desk.now_ms) == {}
    assert desk.ledger.reconcile(until_ms=desk.now_ms + 20) == {"succeeded": 2}
    assert desk.ledger.reconcile(until_ms=desk.now_ms + 20) == {"succeeded": 1}


def test_the_pauses_between_looks_grow_up_to_an_hour(desk: Desk) -> None:
    desk.till.answers = desk.till.knows = [DOUBT]
    desk.pay()
    pauses = []
    for look in range(1, 8):
        assert desk.reconcile(3_600_000) == {"unknown": 1}
        waiting = desk.waiting()
        assert waiting is not None
        assert waiting["looks"] == look
        pauses.append((waiting["due_ms"] - desk.now_ms) // 1_000)

    assert pauses == [*LADDER_S, LADDER_S[-1]]
    assert desk.happened() == ["prepared", "lost"]


def test_when_the_patience_is_over_it_is_a_persons_and_still_looked_up(desk: Desk) -> None:
    desk.till.answers = desk.till.knows = [DOUBT]
    desk.pay()

    assert desk.reconcile(PATIENCE_MS - 1) == {"unknown": 1}
    assert desk.reconcile(1_000) == {"needs-person": 1}
    assert desk.waiting() == {"due_ms": desk.now_ms + 5_000, "looks": 2}
    desk.till.knows = [NEVER_SEEN]
    assert desk.reconcile(PATIENCE_MS) == {"needs-person": 1}
    assert len(desk.till.sent) == 1
    desk.till.knows = [Succeeded(900)]
    assert desk.reconcile(PATIENCE_MS) == {"succeeded": 1}


def test_to_the_millisecond_the_patience_is_a_day(desk: Desk) -> None:
    desk.till.answers = desk.till.knows = [DOUBT]
    desk.pay()

    assert desk.reconcile(PATIENCE_MS) == {"needs-person": 1}


def test_what_two_people_have_before_them_is_left_to_them(desk: Desk) -> None:
    desk.till.answers = desk.till.knows = [DOUBT]
    desk.pay()
    desk.reconcile(PATIENCE_MS)
    desk.ledger.change(desk.head(), "proposed", {"proposal": {}}, by="ada")

    assert desk.reconcile(PATIENCE_MS) == {"proposed": 1}


def test_who_is_overtaken_when_the_patience_is_over_says_what_is(desk: Desk) -> None:
    desk.till.answers = desk.till.knows = [DOUBT]
    desk.pay()
    desk.now_ms += PATIENCE_MS
    desk.store.writes = [lambda: desk.elsewhere().reconcile(), None]

    assert desk.reconcile() == {"succeeded": 1}
    assert desk.waiting() is None


def test_what_is_left_in_the_list_of_a_settled_payment_is_taken_out(desk: Desk) -> None:
    desk.pay()
    desk.store.put(UNSETTLED, intent().payment_id, {"due_ms": NOW_MS, "looks": 1})

    assert desk.reconcile() == {"succeeded": 1}
    assert desk.waiting() is None
    assert desk.till.looked_up == []


def test_one_whose_books_are_broken_keeps_no_other_from_being_settled(desk: Desk) -> None:
    desk.till.answers, desk.till.knows = [DOUBT], [Succeeded(300), Succeeded(9_000), Succeeded(300)]
    for key in ("one", "two", "three"):
        desk.till.prepares = [replace(PREPARED, max_msat=300, leases=(key,))]
        desk.pay(key)

    assert refusal(lambda: desk.reconcile(1_000)) == (Integrity, "budget/overspent")
    states = sorted(desk.head(key).state for key in ("one", "two", "three"))
    assert states == ["succeeded", "succeeded", "unknown"]


def test_a_payment_in_the_list_whose_record_is_gone_is_told(desk: Desk) -> None:
    desk.till.answers = [DOUBT]
    desk.pay()
    desk.store.delete(f"journal/{aggregate(intent().payment_id)}", "head")

    with pytest.raises(Integrity) as found:
        desk.reconcile(1_000)
    check_readable(found.value.problem("one"))
    assert (found.value.code, found.value.money_moved) == ("ledger/no-record", "unknown")


# taking the place of another


def test_what_takes_the_place_of_a_payment_is_named_in_its_record(desk: Desk) -> None:
    desk.pay("old")
    old = intent("old").payment_id
    desk.till.prepares = [replace(PREPARED, identity="the other txid", replaces=old)]
    desk.till.answers = [Succeeded(50)]
    desk.pay("new")

    assert answers.view(desk.head("new")).replaces == old
    assert answers.view(desk.head("old")).replaced_by == intent("new").payment_id
    assert desk.head("old").data["replaced_by_identity"] == "the other txid"
    assert (desk.happened("old")[-1], desk.events("old")[-1].by) == ("replaced", ADA.id)
    assert (desk.head("old").state, desk.budget().spent_msat) == ("succeeded", 950)


def test_a_refused_replacement_leaves_the_payment_as_it_was(desk: Desk) -> None:
    before = desk.pay("old")
    desk.till.prepares = [replace(PREPARED, replaces=intent("old").payment_id)]
    desk.till.answers = [NOT_NOW]

    assert desk.pay("new").state == "refused"
    assert desk.head("old") == before


def test_one_payment_has_one_replacement(desk: Desk) -> None:
    desk.pay("old")
    replacing = replace(PREPARED, replaces=intent("old").payment_id)
    desk.till.prepares = [replacing]
    desk.pay("new")
    desk.till.prepares = [replacing, FUNDS]

    assert desk.pay("another").data["refusal"]["code"] == "test/funds"
    assert len(desk.till.sent) == 2


@pytest.mark.parametrize("key", ["refused", "never made"])
def test_only_a_payment_that_succeeded_is_replaced(desk: Desk, key: str) -> None:
    desk.till.answers = [NOT_NOW]
    desk.pay("refused")
    desk.till.prepares = [replace(PREPARED, replaces=intent(key).payment_id), FUNDS]

    assert desk.pay("new").data["refusal"]["code"] == "test/funds"
    assert len(desk.till.sent) == 1


def test_a_payment_that_is_replaced_while_another_replacement_is_recorded_has_one(desk: Desk) -> None:
    desk.pay("old")
    replacing = replace(PREPARED, replaces=intent("old").payment_id)

    def another() -> None:
        there = desk.elsewhere()
        there.till.prepares = [replacing]
        there.pay("another")

    desk.till.prepares = [replacing, FUNDS]
    desk.store.writes = [another, None]
    assert desk.pay("new").data["refusal"]["code"] == "test/funds"
    assert desk.head("old").data["replaced_by"] == intent("another").payment_id


# what belongs to a change


def test_nothing_changes_that_the_lifecycle_does_not_allow(desk: Desk) -> None:
    head = desk.pay()

    assert refusal(lambda: desk.ledger.change(head, "prepared", {}, by="ada")) == (Conflict, "state/not-allowed")
    assert desk.head() == head
    assert ("succeeded", "prepared") not in PAYMENT.transitions


def test_a_reservation_that_was_closed_elsewhere_is_not_given_back_twice(desk: Desk) -> None:
    desk.till.answers = [DOUBT]
    desk.pay()
    item = desk.store.get(budgets.BUDGETS, ADA.id)
    desk.store.transact(list(budgets.freeing(item, None, ADA.id, intent().payment_id, desk.now_ms)))
    desk.till.knows = [NEVER]

    assert desk.reconcile(1_000) == {"refused": 1}
    assert journal.verify(desk.store, aggregate(intent().payment_id)).state == "refused"
