"""Budgets at their edges: what is written, and what each refusal says."""

from collections.abc import Callable
from typing import Any

import pytest

from isthmus.access import actions, budgets
from isthmus.access.budgets import DAY_MS, HOUR_MS, KEPT_MS, MAX_OPEN, MINUTE_MS, Closed, Limits
from isthmus.failure import Conflict, Failure, Integrity, Invalid, Limited, NotFound
from isthmus.storage.table import Absent, Check, Item, Put, version

NOW_MS = 1_900_000_000_123
HOUR, MINUTE = NOW_MS // HOUR_MS, NOW_MS // MINUTE_MS
LIMITS = Limits(100, 150, 3)
ENOUGH = "; `get_budget` shows the limits and what is left."


def item(opened: dict[str, int] | None = None, spent: int = 0, count: int = 0) -> Item:
    return {
        "opened": opened or {},
        "hours": {str(HOUR): spent} if spent else {},
        "minutes": {str(MINUTE): count} if count else {},
        "version": 7,
    }


def reserved(stored: Item | None, amount_msat: Any = 10, intent: str = "pay", limits: Limits = LIMITS) -> Put:
    put, check = budgets.reservation(stored, "one", intent, amount_msat, limits, NOW_MS)
    assert check == Check("access/budgets/one", intent, Absent())
    return put


def refusal(call: Callable[[], object]) -> tuple[type[Failure], str, str, str, int | None]:
    with pytest.raises(Failure) as raised:
        call()
    failure = raised.value
    return type(failure), failure.code, str(failure), failure.money_moved, failure.retry_after_ms


def test_a_first_reservation_is_written_as_this() -> None:
    written = {"opened": {"pay": 10}, "hours": {}, "minutes": {str(MINUTE): 1}, "version": NOW_MS}
    assert reserved(None) == Put("access/budgets", "one", written, Absent())


def test_a_further_reservation_is_written_over_the_version_that_was_read() -> None:
    written = {"opened": {"a": 5, "pay": 10}, "hours": {str(HOUR): 9}, "minutes": {str(MINUTE): 3}, "version": 8}
    assert reserved(item({"a": 5}, 9, 2)) == Put("access/budgets", "one", written, version(7))


def test_a_settlement_moves_what_was_spent_and_leaves_a_mark() -> None:
    put, mark = budgets.settlement(item({"pay": 10}, 9, 1), None, "one", "pay", 8, NOW_MS)

    written = {"opened": {}, "hours": {str(HOUR): 17}, "minutes": {str(MINUTE): 1}, "version": 8}
    assert put == Put("access/budgets", "one", written | {"expires_at": (NOW_MS + 2 * DAY_MS) // 1000}, version(7))
    left = {"outcome": "settled", "reserved_msat": 10, "spent_msat": 8, "expires_at": (NOW_MS + KEPT_MS) // 1000}
    assert mark == Put("access/budgets/one", "pay", left, Absent())


@pytest.mark.parametrize(("opened", "was_msat"), [({"pay": 10, "a": 5}, 10), ({"a": 5}, 0)])
def test_a_release_gives_back_what_was_held_and_leaves_a_mark(opened: dict[str, int], was_msat: int) -> None:
    put, mark = budgets.freeing(item(opened, 9, 1), None, "one", "pay", NOW_MS)

    written = {"opened": {"a": 5}, "hours": {str(HOUR): 9}, "minutes": {str(MINUTE): 1}, "version": 8}
    assert put == Put("access/budgets", "one", written, version(7))
    left = {"outcome": "released", "reserved_msat": was_msat, "spent_msat": 0, "expires_at": (NOW_MS + KEPT_MS) // 1000}
    assert mark == Put("access/budgets/one", "pay", left, Absent())


def test_all_that_is_left_can_be_reserved() -> None:
    assert reserved(item({"a": 20}, 30, 2), 100).item["opened"] == {"a": 20, "pay": 100}
    assert len(reserved(item(dict.fromkeys(map(str, range(MAX_OPEN - 1)), 0))).item["opened"]) == MAX_OPEN


DAY_LEFT_MS = (HOUR + 1) * HOUR_MS - (NOW_MS - DAY_MS)
HOUR_LEFT_MS = (MINUTE + 1) * MINUTE_MS - (NOW_MS - HOUR_MS)


@pytest.mark.parametrize(
    ("stored", "amount_msat", "said"),
    [
        (
            item(),
            101,
            ("request", "One request may spend 100 msat. Ask for less, or for higher limits", None),
        ),
        (
            item({"a": 20}, 31),
            100,
            ("day", "Of what may be spent in a day, 99 of 150 msat are left. Wait, or ask for less", DAY_LEFT_MS),
        ),
        (
            item({"a": 140}),
            11,
            ("day", "Of what may be spent in a day, 10 of 150 msat are left. Ask for less, or for higher limits", None),
        ),
        (
            item({"a": 100}, 60),
            1,
            ("day", "Of what may be spent in a day, 0 of 150 msat are left. Wait, or ask for less", DAY_LEFT_MS),
        ),
        (
            item(count=3),
            1,
            ("hour", "Of 3 payments in an hour, 0 are left. Wait, or ask for less", HOUR_LEFT_MS),
        ),
        (
            item(dict.fromkeys(map(str, range(MAX_OPEN)), 0)),
            1,
            ("open", "There are 1000 payments whose end is not known. Ask for less, or for higher limits", None),
        ),
    ],
)
def test_a_limit_says_what_is_left_and_when_to_ask_again(
    stored: Item, amount_msat: int, said: tuple[str, str, int | None]
) -> None:
    what, text, wait_ms = said
    assert refusal(lambda: reserved(stored, amount_msat)) == (
        Limited,
        f"budget/{what}",
        f"{text}{ENOUGH}",
        "no",
        wait_ms,
    )


MARK: Item = {"outcome": "settled", "reserved_msat": 10, "spent_msat": 8}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: reserved(item({"pay": 9})),
            (
                Conflict,
                "budget/other-amount",
                (
                    "The intent has a reservation over another amount. "
                    "Repeat it with the same amount, or use another intent."
                ),
                "no",
            ),
        ),
        (
            lambda: budgets.settlement(item(), MARK, "one", "pay", 9, NOW_MS),
            (
                Conflict,
                "budget/settled",
                "The intent was settled with another amount. Find out which amount is right; the first one stands.",
                "yes",
            ),
        ),
        *(
            (
                call,
                (
                    Integrity,
                    "budget/overspent",
                    (
                        "More was spent than was reserved for it. "
                        "Stop spending for this caller and compare the records with the node's."
                    ),
                    "yes",
                ),
            )
            for call in (
                lambda: budgets.settlement(item({"pay": 8}), None, "one", "pay", 9, NOW_MS),
                lambda: budgets.settlement(item(), None, "one", "pay", 0, NOW_MS),
                lambda: budgets.settlement(item(), MARK | {"outcome": "released"}, "one", "pay", 8, NOW_MS),
            )
        ),
        *(
            (
                call,
                (
                    Invalid,
                    "budget/intent",
                    "An intent has 1 to 128 visible ASCII characters. Use the intent's id.",
                    "no",
                ),
            )
            for call in (
                lambda: reserved(None, intent=""),
                lambda: reserved(None, intent="x" * 129),
                lambda: reserved(None, intent="a b"),
                lambda: budgets.settlement(None, None, "one", "\u00e9", 1, NOW_MS),
                lambda: budgets.freeing(None, None, "one", "a\n", NOW_MS),
            )
        ),
        *(
            (
                call,
                (
                    Invalid,
                    "budget/amount",
                    (
                        "An amount is an integer of millisatoshi, not below 0. "
                        "Say the most that it may cost, fees included."
                    ),
                    "no",
                ),
            )
            for call in (
                lambda: reserved(None, -1),
                lambda: reserved(None, True),
                lambda: reserved(None, 1.0),
                lambda: budgets.settlement(item({"pay": 8}), None, "one", "pay", -1, NOW_MS),
            )
        ),
    ],
)
def test_what_a_budget_refuses_says_whether_money_moved(
    call: Callable[[], object], said: tuple[type[Failure], str, str, str]
) -> None:
    assert refusal(call)[:4] == said


def test_what_is_closed_says_how() -> None:
    for spent_msat, outcome, money_moved in ((8, "settled", "yes"), (0, "settled", "no"), (0, "released", "no")):
        failure = budgets.ended(Closed(outcome, 10, spent_msat))  # type: ignore[arg-type]
        assert (failure.code, failure.money_moved) == ("budget/intent-closed", money_moved)
        assert str(failure) == (
            f"The intent is closed: its reservation was {outcome}. "
            "Read what became of it; another payment is another intent."
        )


def test_an_operation_that_is_not_there_is_not_found() -> None:
    assert refusal(lambda: actions.find("no.such"))[:3] == (
        NotFound,
        "access/operation",
        ("There is no operation of this name. GET /v1/openapi.json lists the operations there are, as `operationId`."),
    )
