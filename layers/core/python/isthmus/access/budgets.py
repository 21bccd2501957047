"""What a caller may spend: an amount per rolling day, a number of payments per rolling hour.

Money is reserved before anything is sent, and given back only after a definite refusal. The budget of a caller is one
item, `access/budgets` / <caller id>: open reservations by intent, settled amounts summed by hour, reservations counted
by minute. Whole hours and minutes leave the windows, so a day is 24 to 25 hours long, never less. An open reservation
counts until it is closed, however old it is; a settled amount counts from its settling on. A number counts what was
tried, also what was refused.

What is closed leaves a mark of its own, `access/budgets/<caller id>` / <intent>, for 90 days: an intent has one
reservation ever, and one that is released before it was made is never made.

The functions over an item are pure and say what to write, so that a ledger can do it in a transaction of its own;
`isthmus.access.reservations` applies them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from isthmus.failure import Conflict, Integrity, Invalid, Limited
from isthmus.storage.table import Absent, Check, Condition, Item, Put, version

BUDGETS = "access/budgets"
MAX_OPEN = 1_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
KEPT_MS = 90 * DAY_MS
IDLE_MS = 2 * DAY_MS
"""After this long without a reservation nothing of a budget counts any more, and its item may go."""

Closing = Literal["settled", "released"]
_INTENT = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True)
class Limits:
    """The most per request, per rolling day (millisatoshi) and the most requests that spend per rolling hour."""

    max_msat: int
    day_msat: int
    hour_count: int


NOTHING = Limits(0, 0, 0)


@dataclass(frozen=True)
class Closed:
    """How an intent ended: `reserved_msat` of it were held, `spent_msat` are gone."""

    outcome: Closing
    reserved_msat: int
    spent_msat: int


@dataclass(frozen=True)
class Budget:
    """Where a caller stands.

    Args:
        opened: intent -> millisatoshi reserved for it.
        hours: hour since the epoch -> millisatoshi settled in it.
        minutes: minute since the epoch -> reservations made in it.
        version: of the item; 0 when there is none.
    """

    opened: Mapping[str, int]
    hours: Mapping[int, int]
    minutes: Mapping[int, int]
    version: int = 0

    @property
    def reserved_msat(self) -> int:
        """What is held by open reservations."""
        return sum(self.opened.values())

    @property
    def spent_msat(self) -> int:
        """What was spent within the day."""
        return sum(self.hours.values())

    @property
    def count(self) -> int:
        """How many reservations were made within the hour."""
        return sum(self.minutes.values())


def budget(item: Item | None, now_ms: int) -> Budget:
    """The budget an item holds, without what has left the windows."""
    if item is None:
        return Budget({}, {}, {})
    return Budget(
        opened={intent: int(msat) for intent, msat in item["opened"].items()},
        hours=dict(_within(item["hours"], HOUR_MS, now_ms - DAY_MS)),
        minutes=dict(_within(item["minutes"], MINUTE_MS, now_ms - HOUR_MS)),
        version=int(item["version"]),
    )


def closed(mark: Item | None) -> Closed | None:
    """How an intent ended, by its mark."""
    return None if mark is None else Closed(mark["outcome"], int(mark["reserved_msat"]), int(mark["spent_msat"]))


def reservation(
    item: Item | None, caller_id: str, intent: str, amount_msat: int, limits: Limits, now_ms: int
) -> tuple[Put, Check]:
    """What reserves an amount for an intent: the budget's item anew, and that the intent is not closed.

    Args:
        item: the budget's item as it is stored.
        caller_id: whose budget.
        intent: what the money is for; 1 to 128 visible ASCII characters.
        amount_msat: the most it may cost, fees included.
        limits: of the caller.
        now_ms: the time.

    Raises:
        Invalid: intent or amount are none.
        Conflict: the intent has a reservation over another amount.
        Limited: a limit would be passed; says when to ask again, if waiting helps.
    """
    _check_intent(intent)
    _check_amount(amount_msat)
    before = budget(item, now_ms)
    after = _with_reservation(before, intent, amount_msat, limits, now_ms)
    return _put(caller_id, after, before.version, now_ms), Check(marks(caller_id), intent, Absent())


def settlement(
    item: Item | None, mark: Item | None, caller_id: str, intent: str, spent_msat: int, now_ms: int
) -> tuple[Put, ...]:
    """What turns the reservation of an intent into what was spent; nothing when that was done before.

    Raises:
        Invalid: the amount is none.
        Conflict: it was settled with another amount.
        Integrity: there is no such reservation, it was released, or it was over less; the budget no longer tells what
            was spent.
    """
    _check_intent(intent)
    _check_amount(spent_msat)
    before, done = budget(item, now_ms), closed(mark)
    if done is not None and done.outcome == "settled":
        if done.spent_msat != spent_msat:
            raise Conflict(
                "The intent was settled with another amount.",
                next_step="Find out which amount is right; the first one stands.",
                code="budget/settled",
                money_moved="yes",
            )
        return ()
    reserved_msat = before.opened.get(intent)
    if reserved_msat is None or spent_msat > reserved_msat:
        raise Integrity(
            "More was spent than was reserved for it.",
            next_step="Stop spending for this caller and compare the records with the node's.",
            code="budget/overspent",
            money_moved="yes",
        )
    hour = now_ms // HOUR_MS
    hours = {**before.hours, hour: before.hours.get(hour, 0) + spent_msat}
    after = replace(before, opened=_without(before.opened, intent), hours=hours)
    mark_put = _mark(caller_id, intent, Closed("settled", reserved_msat, spent_msat), now_ms)
    return _put(caller_id, after, before.version, now_ms), mark_put


def freeing(item: Item | None, mark: Item | None, caller_id: str, intent: str, now_ms: int) -> tuple[Put, ...]:
    """What gives the reservation of an intent back; nothing when the intent is closed.

    An intent that was never reserved is closed as well: its reservation, if it comes late, is refused.

    Raises:
        Invalid: the intent is none.
    """
    _check_intent(intent)
    if mark is not None:
        return ()
    before = budget(item, now_ms)
    mark_put = _mark(caller_id, intent, Closed("released", before.opened.get(intent, 0), 0), now_ms)
    # The budget is written even when nothing is open: its version keeps a reservation of this moment apart.
    after = replace(before, opened=_without(before.opened, intent))
    return _put(caller_id, after, before.version, now_ms), mark_put


def marks(caller_id: str) -> str:
    """The partition of the marks that a caller's closed intents leave."""
    return f"{BUDGETS}/{caller_id}"


def ended(intent_closed: Closed) -> Conflict:
    """The refusal of a reservation for an intent that is closed."""
    return Conflict(
        f"The intent is closed: its reservation was {intent_closed.outcome}.",
        next_step="Read what became of it; another payment is another intent.",
        code="budget/intent-closed",
        money_moved="yes" if intent_closed.spent_msat else "no",
    )


def _with_reservation(before: Budget, intent: str, amount_msat: int, limits: Limits, now_ms: int) -> Budget:
    if intent in before.opened:
        if before.opened[intent] != amount_msat:
            raise Conflict(
                "The intent has a reservation over another amount.",
                next_step="Repeat it with the same amount, or use another intent.",
                code="budget/other-amount",
            )
        return before
    _check_limits(before, amount_msat, limits, now_ms)
    minute = now_ms // MINUTE_MS
    return replace(
        before,
        opened={**before.opened, intent: amount_msat},
        minutes={**before.minutes, minute: before.minutes.get(minute, 0) + 1},
    )


def _check_limits(before: Budget, amount_msat: int, limits: Limits, now_ms: int) -> None:
    if amount_msat > limits.max_msat:
        raise _limited(f"One request may spend {limits.max_msat} msat.", "request", None)
    left_msat = limits.day_msat - before.spent_msat - before.reserved_msat
    if amount_msat > left_msat:
        wait_ms = _wait_ms(before.hours, HOUR_MS, amount_msat - left_msat, now_ms - DAY_MS)
        left = f"{max(0, left_msat)} of {limits.day_msat} msat"
        raise _limited(f"Of what may be spent in a day, {left} are left.", "day", wait_ms)
    if before.count >= limits.hour_count:
        wait_ms = _wait_ms(before.minutes, MINUTE_MS, before.count + 1 - limits.hour_count, now_ms - HOUR_MS)
        raise _limited(f"Of {limits.hour_count} payments in an hour, 0 are left.", "hour", wait_ms)
    if len(before.opened) >= MAX_OPEN:
        raise _limited(f"There are {MAX_OPEN} payments whose end is not known.", "open", None)


def _limited(detail: str, what: str, retry_after_ms: int | None) -> Limited:
    wait = "Wait, or ask for less" if retry_after_ms is not None else "Ask for less, or for higher limits"
    return Limited(
        detail,
        next_step=f"{wait}; `get_budget` shows the limits and what is left.",
        code=f"budget/{what}",
        retry_after_ms=retry_after_ms,
    )


def _wait_ms(sums: Mapping[int, int], length_ms: int, wanted: int, begin_ms: int) -> int | None:
    """How long until so much of the sums has left a window that begins then; None if they are not that much."""
    for number in sorted(sums):
        wanted -= sums[number]
        if wanted <= 0:
            return (number + 1) * length_ms - begin_ms
    return None


def _within(sums: Mapping[str, Any], length_ms: int, begin_ms: int) -> Iterator[tuple[int, int]]:
    """The sums of which any part may lie in a window that begins then."""
    for number, value in sums.items():
        if (int(number) + 1) * length_ms > begin_ms:
            yield int(number), int(value)


def _without(opened: Mapping[str, int], intent: str) -> dict[str, int]:
    return {name: msat for name, msat in opened.items() if name != intent}


def _put(caller_id: str, after: Budget, before: int, now_ms: int) -> Put:
    item: Item = {
        "opened": dict(after.opened),
        "hours": {str(hour): msat for hour, msat in sorted(after.hours.items())},
        "minutes": {str(minute): count for minute, count in sorted(after.minutes.items())},
        # From the time on, so that an item which expired and is made anew never has a version it had before.
        "version": before + 1 if before else max(1, now_ms),
    }
    if not after.opened:
        item["expires_at"] = (now_ms + IDLE_MS) // 1000
    when: Condition = version(before) if before else Absent()
    return Put(BUDGETS, caller_id, item, when)


def _mark(caller_id: str, intent: str, how: Closed, now_ms: int) -> Put:
    item: Item = {
        "outcome": how.outcome,
        "reserved_msat": how.reserved_msat,
        "spent_msat": how.spent_msat,
        "expires_at": (now_ms + KEPT_MS) // 1000,
    }
    return Put(marks(caller_id), intent, item, Absent())


def _check_intent(intent: str) -> None:
    if not _INTENT.fullmatch(intent):
        raise Invalid(
            "An intent has 1 to 128 visible ASCII characters.", next_step="Use the intent's id.", code="budget/intent"
        )


def _check_amount(amount_msat: int) -> None:
    if type(amount_msat) is not int or amount_msat < 0:
        raise Invalid(
            "An amount is an integer of millisatoshi, not below 0.",
            next_step="Say the most that it may cost, fees included.",
            code="budget/amount",
        )
