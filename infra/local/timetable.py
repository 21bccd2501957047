"""EventBridge's schedule expressions: `rate(...)`, `cron(...)` and `at(...)`, in UTC.

Reference: Amazon EventBridge User Guide, "Cron expressions reference" and "Rate expressions". Six fields, Sunday is 1,
one of the two day fields is `?`; `L`, `W` and `#` stand alone in their field.
"""

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

_MONTHS = {
    "JAN": 1,
    "FEB": 2,
    "MAR": 3,
    "APR": 4,
    "MAY": 5,
    "JUN": 6,
    "JUL": 7,
    "AUG": 8,
    "SEP": 9,
    "OCT": 10,
    "NOV": 11,
    "DEC": 12,
}
_WEEKDAYS = {"SUN": 1, "MON": 2, "TUE": 3, "WED": 4, "THU": 5, "FRI": 6, "SAT": 7}
_SATURDAY = 7
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
_RATE = re.compile(r"rate\((\d{1,9}) (minutes?|hours?|days?)\)")
_CRON = re.compile(r"cron\(([^()]+)\)")
_AT = re.compile(r"at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)")
_ITEM = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d{1,4}))?")
_PERIODS_S = {"minute": 60, "hour": 3600, "day": 86400}


class ExpressionError(ValueError):
    """A schedule expression that EventBridge would refuse; the message says which part."""


class Timetable(Protocol):
    """When something is due."""

    def after(self, moment: datetime) -> datetime | None:
        """The first due time later than `moment`, or None when there is none any more."""


@dataclass(frozen=True)
class Rate:
    """Due again and again after the same time."""

    period: timedelta

    def after(self, moment: datetime) -> datetime | None:
        """One period later."""
        return moment + self.period


@dataclass(frozen=True)
class Once:
    """Due at one moment."""

    moment: datetime

    def after(self, moment: datetime) -> datetime | None:
        """The moment, until it has come."""
        return self.moment if self.moment > moment else None


@dataclass(frozen=True)
class Cron:
    """Due at the minutes that fit every field; `days` says which days of a month do."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: tuple[int, ...]
    years: tuple[int, ...]
    days: Callable[[int, int], list[int]]

    def after(self, moment: datetime) -> datetime | None:
        """The next minute that fits."""
        start = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        today = (start.year, start.month, start.day)
        for year in self.years:
            for month in self.months:
                if (year, month) < today[:2]:
                    continue
                for day in self.days(year, month):
                    if (year, month, day) < today:
                        continue
                    now = (start.hour, start.minute) if (year, month, day) == today else (0, 0)
                    for hour in self.hours:
                        for minute in self.minutes:
                            if (hour, minute) >= now:
                                return datetime(year, month, day, hour, minute, tzinfo=UTC)
        return None


def parse(expression: str) -> Timetable:
    """The timetable of an expression.

    Raises:
        ExpressionError: EventBridge would refuse it.
    """
    if found := _RATE.fullmatch(expression):
        return _rate(int(found[1]), found[2])
    if found := _AT.fullmatch(expression):
        try:
            return Once(datetime.fromisoformat(found[1]).replace(tzinfo=UTC))
        except ValueError as error:
            raise ExpressionError(f"{expression} names no moment.") from error
    if found := _CRON.fullmatch(expression):
        return _cron(found[1].split())
    raise ExpressionError(f"{expression} is none of rate(1 minute), cron(0 12 * * ? *), at(2030-01-31T12:00:00).")


def next_due(timetable: Timetable, due: datetime, now: datetime) -> datetime | None:
    """The first due time after `now`, when the last one was `due`: a rate keeps its rhythm over what it missed."""
    if isinstance(timetable, Rate) and now > due:
        due += (now - due) // timetable.period * timetable.period
        return timetable.after(due)
    return timetable.after(max(due, now))


def _rate(value: int, unit: str) -> Rate:
    if value < 1 or (value == 1) == unit.endswith("s"):
        raise ExpressionError(f"rate({value} {unit}) is not valid: the value is positive, and 1 takes the singular.")
    return Rate(timedelta(seconds=value * _PERIODS_S[unit.removesuffix("s")]))


def _cron(fields: list[str]) -> Cron:
    if len(fields) != 6:
        raise ExpressionError("cron(...) has six fields: minutes, hours, day of month, month, day of week, year.")
    minutes, hours, day_of_month, month, day_of_week, year = (field.upper() for field in fields)
    if (day_of_month == "?") == (day_of_week == "?"):
        raise ExpressionError("Exactly one of day of month and day of week is `?`.")
    return Cron(
        minutes=_values(minutes, 0, 59),
        hours=_values(hours, 0, 23),
        months=_values(month, 1, 12, _MONTHS),
        years=_values(year, _FIRST_YEAR, _LAST_YEAR),
        days=_days_of_week(day_of_week) if day_of_month == "?" else _days_of_month(day_of_month),
    )


def _values(
    field: str, low: int, high: int, names: dict[str, int] | None = None, *, steps: bool = True
) -> tuple[int, ...]:
    """The values that fit one field, ascending."""
    found: set[int] = set()
    for item in field.split(","):
        match = _ITEM.fullmatch(item)
        if match is None or (match[4] and not steps):
            raise ExpressionError(f"`{item}` is not valid here.")
        first = low if match[1] else _value(match[2], low, high, names)
        last = first if match[2] and not match[4] else high
        if match[3]:
            last = _value(match[3], low, high, names)
        step = int(match[4] or 1)
        if last < first or step < 1:
            raise ExpressionError(f"`{item}` is empty: ranges ascend and steps are positive.")
        found.update(range(first, last + 1, step))
    return tuple(sorted(found))


def _value(text: str, low: int, high: int, names: dict[str, int] | None) -> int:
    if names and text in names:
        return names[text]
    if not text.isdecimal() or not low <= int(text) <= high:
        raise ExpressionError(f"`{text}` is not between {low} and {high}.")
    return int(text)


def _length(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]


def _weekday(year: int, month: int, day: int) -> int:
    """1 for Sunday to 7 for Saturday."""
    return (calendar.weekday(year, month, day) + 1) % 7 + 1


def _days_of_month(field: str) -> Callable[[int, int], list[int]]:
    if field == "L":
        return lambda year, month: [_length(year, month)]
    if field.endswith("W"):
        wanted = _value(field[:-1], 1, 31, None)
        return lambda year, month: _nearest_working_day(year, month, wanted)
    days = _values(field, 1, 31)
    return lambda year, month: [day for day in days if day <= _length(year, month)]


def _nearest_working_day(year: int, month: int, day: int) -> list[int]:
    """Monday to Friday nearest to `day` within the month; a month without that day has none."""
    last = _length(year, month)
    if day > last:
        return []
    weekday = _weekday(year, month, day)
    if weekday == 1:
        return [day + 1 if day < last else day - 2]
    if weekday == _SATURDAY:
        return [day - 1 if day > 1 else day + 2]
    return [day]


def _days_of_week(field: str) -> Callable[[int, int], list[int]]:
    if "#" in field:
        name, _, nth = field.partition("#")
        wanted, index = _value(name, 1, 7, _WEEKDAYS), _value(nth, 1, 5, None) - 1
        return lambda year, month: _those(year, month, (wanted,))[index : index + 1]
    if field.endswith("L") and field != "L":
        last = _value(field[:-1], 1, 7, _WEEKDAYS)
        return lambda year, month: _those(year, month, (last,))[-1:]
    weekdays = (_SATURDAY,) if field == "L" else _values(field, 1, 7, _WEEKDAYS, steps=False)
    return lambda year, month: _those(year, month, weekdays)


def _those(year: int, month: int, weekdays: tuple[int, ...]) -> list[int]:
    return [day for day in range(1, _length(year, month) + 1) if _weekday(year, month, day) in weekdays]
