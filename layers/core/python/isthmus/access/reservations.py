"""Reserving, settling and releasing what a caller spends, each in one transaction of its own.

Many may do so at once: who finds that another was faster reads again, a bounded number of times. Reading, checking and
writing without a condition is how concurrent payments have passed the same balance check elsewhere.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from isthmus.access.budgets import (
    BUDGETS,
    Budget,
    Closing,
    Limits,
    budget,
    closed,
    ended,
    freeing,
    marks,
    reservation,
    settlement,
)
from isthmus.access.caller import Caller
from isthmus.failure import Conflict, Unavailable
from isthmus.storage.table import Item, Table, Write

MAX_TRIES = 60
_LONGEST_PAUSE_S = 0.05

_Plan = Callable[[Item | None, Item | None], tuple[Write, ...]]


@dataclass(frozen=True)
class Reservation:
    """So much is held for an intent; `anew` is False when it was held before."""

    intent: str
    amount_msat: int
    anew: bool


def reserve(table: Table, caller: Caller, intent: str, amount_msat: int, limits: Limits, *, now_ms: int) -> Reservation:
    """Hold an amount of the caller's budget for an intent, once.

    Raises:
        Invalid: intent or amount are none.
        Conflict: the intent has a reservation over another amount, or is closed.
        Limited: a limit would be passed.
        Unavailable: the store did not answer, or too many others want to at this moment; the same again is safe.
    """
    held = False

    def plan(item: Item | None, mark: Item | None) -> tuple[Write, ...]:
        nonlocal held
        done = closed(mark)
        if done is not None:
            raise ended(done)
        writes = reservation(item, caller.id, intent, amount_msat, limits, now_ms)
        held = intent in budget(item, now_ms).opened
        return () if held else writes

    _apply(table, caller.id, intent, plan)
    return Reservation(intent, amount_msat, anew=not held)


def settle(table: Table, caller: Caller, intent: str, spent_msat: int, *, now_ms: int) -> None:
    """Turn the reservation of an intent into what was spent; the same again does nothing.

    Raises:
        Invalid: the amount is none.
        Conflict: it was settled with another amount.
        Integrity: more was spent than was reserved.
        Unavailable: the store did not answer, or too many others want to at this moment; the same again is safe.
    """
    _apply(table, caller.id, intent, lambda item, mark: settlement(item, mark, caller.id, intent, spent_msat, now_ms))


def release(table: Table, caller_id: str, intent: str, *, now_ms: int) -> Closing | Literal["nothing"]:
    """Give the reservation of an intent back, because it was refused for certain.

    Returns:
        "released", also when it was before; "settled" when money was spent, which it stays; "nothing" when there was
        no reservation, which is refused from now on.

    Raises:
        Invalid: the intent is none.
        Unavailable: the store did not answer, or too many others want to at this moment; the same again is safe.
    """
    outcome: Closing | Literal["nothing"] = "nothing"

    def plan(item: Item | None, mark: Item | None) -> tuple[Write, ...]:
        nonlocal outcome
        done = closed(mark)
        if done is None:
            outcome = "released" if intent in budget(item, now_ms).opened else "nothing"
        elif done.outcome == "settled":
            outcome = "settled"
        else:
            outcome = "released" if done.reserved_msat else "nothing"
        return freeing(item, mark, caller_id, intent, now_ms)

    _apply(table, caller_id, intent, plan)
    return outcome


def standing(table: Table, caller_id: str, now_ms: int) -> Budget:
    """Where a caller's budget stands."""
    return budget(table.get(BUDGETS, caller_id), now_ms)


def _apply(table: Table, caller_id: str, intent: str, plan: _Plan) -> None:
    """Read, plan and write until nobody else wrote in between."""
    for attempt in range(MAX_TRIES):
        # The mark last: closing writes both, so whoever sees the budget without the reservation sees the mark, too.
        item = table.get(BUDGETS, caller_id)
        writes = plan(item, table.get(marks(caller_id), intent))
        if not writes:
            return
        try:
            table.transact(writes)
        except Conflict:
            pause_s = min(0.001 * 2**attempt, _LONGEST_PAUSE_S)
            time.sleep(random.uniform(0, pause_s))  # noqa: S311 - spreads the waiting, guards nothing
        else:
            return
    raise Unavailable(
        "Too many requests of this caller want its budget at this moment.",
        next_step="Repeat it a little later; nothing was changed.",
        code="budget/contended",
        retry_after_ms=1000,
    )
