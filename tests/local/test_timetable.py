"""Schedule expressions, against AWS's examples and against a slow reference that looks at every minute."""

import calendar
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.timetable import ExpressionError, next_due, parse

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("cron(0 10 * * ? *)", "2026-03-01T10:00", "2026-03-02T10:00"),
        ("cron(15 12 * * ? *)", "2026-03-01T12:14:59", "2026-03-01T12:15"),
        ("cron(0 18 ? * MON-FRI *)", "2026-03-06T18:00", "2026-03-09T18:00"),
        ("cron(0 8 1 * ? *)", "2026-12-01T08:00", "2027-01-01T08:00"),
        ("cron(0/15 * * * ? *)", "2026-03-01T10:44", "2026-03-01T10:45"),
        ("cron(0/10 * ? * MON-FRI *)", "2026-03-06T23:51", "2026-03-09T00:00"),
        ("cron(0 9 ? * 2#1 *)", "2026-03-02T09:00", "2026-04-06T09:00"),
        ("cron(15 10 ? * 6L 2026-2027)", "2026-02-27T10:15", "2026-03-27T10:15"),
        ("cron(0 0 ? * L *)", "2026-03-01T00:00", "2026-03-07T00:00"),
        ("cron(0 12 L * ? *)", "2027-02-28T12:00", "2027-03-31T12:00"),
        ("cron(0 12 L 2 ? *)", "2027-03-01T00:00", "2028-02-29T12:00"),
        ("cron(0 12 1W * ? *)", "2026-07-31T00:00", "2026-08-03T12:00"),
        ("cron(0 12 31W * ? *)", "2026-04-01T00:00", "2026-05-29T12:00"),
        ("cron(0 0 31 * ? *)", "2026-04-01T00:00", "2026-05-31T00:00"),
        ("cron(0 0 29 FEB ? *)", "2026-01-01T00:00", "2028-02-29T00:00"),
        ("cron(0 0 1 1 ? 2030)", "2026-01-01T00:00", "2030-01-01T00:00"),
        ("rate(1 minute)", "2026-03-01T10:00:30", "2026-03-01T10:01:30"),
        ("rate(7 days)", "2026-03-01T10:00", "2026-03-08T10:00"),
        ("at(2026-03-01T10:00:00)", "2026-02-28T00:00", "2026-03-01T10:00"),
    ],
)
def test_the_next_due_time_is_the_one_aws_documents(expression: str, after: str, due: str) -> None:
    assert parse(expression).after(moment(after)) == moment(due)


def test_what_lies_in_the_past_is_never_due_again() -> None:
    assert parse("cron(0 0 1 1 ? 2020)").after(moment("2026-01-01T00:00")) is None
    assert parse("at(2026-03-01T10:00:00)").after(moment("2026-03-01T10:00")) is None


@pytest.mark.parametrize(
    "expression",
    [
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(5 seconds)",
        "rate(-5 minutes)",
        "cron(0 10 * * *)",
        "cron(0 10 * * * *)",
        "cron(0 10 ? * ? *)",
        "cron(0 10 1 * 1 *)",
        "cron(60 10 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 10 0 * ? *)",
        "cron(0 10 32 * ? *)",
        "cron(0 10 * 13 ? *)",
        "cron(0 10 ? * 8 *)",
        "cron(0 10 ? * MON/2 *)",
        "cron(0 10 ? * 3#6 *)",
        "cron(0 10 ? * 3#1,6#3 *)",
        "cron(0 10 * * ? 1969)",
        "cron(30-10 10 * * ? *)",
        "cron(0/0 10 * * ? *)",
        "cron(a 10 * * ? *)",
        "cron(0,,1 10 * * ? *)",
        "at(2026-02-30T10:00:00)",
        "at(2026-03-01)",
        "every minute",
        "",
    ],
)
def test_what_eventbridge_refuses_is_refused(expression: str) -> None:
    with pytest.raises(ExpressionError):
        parse(expression)


def test_a_rate_keeps_its_rhythm_over_what_it_missed() -> None:
    due = next_due(parse("rate(5 minutes)"), moment("2026-03-01T10:02"), moment("2026-03-04T11:59"))

    assert due == moment("2026-03-04T12:02")


def fits(field: str, value: int, low: int, names: list[str]) -> bool:
    """Whether a value fits a field of lists, ranges and steps."""
    for given_item in field.split(","):
        item = given_item
        for number, name in enumerate(names, low):
            item = re.sub(rf"\b{name}\b", str(number), item)
        base, _, step = item.partition("/")
        first, _, last = base.partition("-")
        start = low if first == "*" else int(first)
        end = int(last) if last else (10_000 if first == "*" or step else start)
        if start <= value <= end and (value - start) % int(step or 1) == 0:
            return True
    return False


def day_fits(day_of_month: str, day_of_week: str, day: datetime) -> bool:
    """Whether a day fits, by the definitions of L, W and #."""
    return day_of_month_fits(day_of_month, day) if day_of_week == "?" else day_of_week_fits(day_of_week, day)


def day_of_month_fits(field: str, day: datetime) -> bool:
    if field == "L":
        return (day + timedelta(days=1)).day == 1
    if field.endswith("W"):
        wanted, length = int(field[:-1]), calendar.monthrange(day.year, day.month)[1]
        working = [d for d in range(1, length + 1) if calendar.weekday(day.year, day.month, d) < 5]
        return wanted <= length and day.day == min(working, key=lambda d: abs(d - wanted))
    return fits(field, day.day, 1, [])


def day_of_week_fits(field: str, day: datetime) -> bool:
    weekday = day.isoweekday() % 7 + 1
    if "#" in field:
        which, nth = field.split("#")
        return fits(which, weekday, 1, WEEKDAYS) and (day.day - 1) // 7 + 1 == int(nth)
    if field == "L":
        return weekday == 7
    if field.endswith("L"):
        last = (day + timedelta(days=7)).month != day.month
        return fits(field[:-1], weekday, 1, WEEKDAYS) and last
    return fits(field, weekday, 1, WEEKDAYS)


def minutes_that_fit(fields: list[str], start: datetime, days: int) -> Iterator[datetime]:
    """Every minute after `start` that fits, looked at one by one."""
    minute, hour, day_of_month, month, day_of_week, year = fields
    first = start.replace(hour=0, minute=0, second=0, microsecond=0)
    for offset in range(days):
        day = first + timedelta(days=offset)
        if not (fits(year, day.year, 1970, []) and fits(month, day.month, 1, MONTHS)):
            continue
        if not day_fits(day_of_month, day_of_week, day):
            continue
        for number in range(24 * 60):
            if fits(hour, number // 60, 0, []) and fits(minute, number % 60, 0, []):
                candidate = day + timedelta(minutes=number)
                if candidate > start:
                    yield candidate


def values(low: int, high: int, names: list[str] | None = None) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    one = number.map(str) if names is None else number.map(str) | st.sampled_from(names)
    ascending = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    items = st.lists(one | ascending, min_size=1, max_size=3).map(",".join)
    return st.just("*") | items


def stepped(low: int, high: int) -> st.SearchStrategy[str]:
    step = st.integers(1, high)
    return values(low, high) | st.builds(lambda a, n: f"{a}/{n}", st.integers(low, high).map(str) | st.just("*"), step)


day_fields = st.one_of(
    st.tuples(stepped(1, 31) | st.just("L") | st.integers(1, 31).map(lambda n: f"{n}W"), st.just("?")),
    st.tuples(
        st.just("?"),
        values(1, 7, WEEKDAYS)
        | st.just("L")
        | st.builds(lambda n, k: f"{n}#{k}", st.integers(1, 7), st.integers(1, 5))
        | st.integers(1, 7).map(lambda n: f"{n}L"),
    ),
)
crons = st.builds(
    lambda minute, hour, days, month, year: [minute, hour, days[0], month, days[1], year],
    stepped(0, 59),
    stepped(0, 23),
    day_fields,
    values(1, 12, MONTHS),
    st.just("*") | st.sampled_from(["2026", "2026-2028", "2027/2"]),
)


@settings(max_examples=400, deadline=None)
@given(crons, st.datetimes(datetime(2026, 1, 1), datetime(2028, 3, 1)))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_a_cron_is_due_at_the_first_minute_that_fits(fields: list[str], start: datetime) -> None:
    start = start.replace(tzinfo=UTC)
    days = 400

    expected = next(minutes_that_fit(fields, start, days), None)
    due = parse(f"cron({' '.join(fields)})").after(start)

    if expected is not None:
        assert due == expected
    elif due is not None:
        assert due >= start.replace(hour=0, minute=0) + timedelta(days=days - 1)
