"""When more is more than usual."""

from itertools import pairwise
from math import exp, factorial

import numpy as np
import pytest

from isthmus.faults.trends import WEEK_HOURS, Expected, escalating, expected, tail, unusual

START = 480_000


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("rate", [0.5, 3, 20, 200])
def test_a_week_of_flat_noise_gives_at_most_one_false_alarm(seed: int, rate: float) -> None:
    quarters = np.random.default_rng(seed).poisson(rate / 4, size=(2 * WEEK_HOURS, 4))
    hours: dict[int, int] = {}
    alarms, before = 0, False
    for past, quarter in np.ndindex(quarters.shape):
        hour = START + past
        hours[hour] = hours.get(hour, 0) + int(quarters[past, quarter])
        now = escalating(hours, START, hour)
        alarms += now and not before and past < WEEK_HOURS
        before = now
    assert alarms <= 1


def test_many_weeks_of_flat_noise_give_far_less_than_one_false_alarm_a_week() -> None:
    chance, alarms = np.random.default_rng(5), 0
    for _ in range(100):
        hours = {START + past: int(count) for past, count in enumerate(chance.poisson(20, size=WEEK_HOURS))}
        flagged = [escalating(hours, START, START + past) for past in range(WEEK_HOURS)]
        alarms += sum(now and not before for before, now in pairwise(flagged))
    assert alarms <= 20


def test_three_whole_hours_are_needed_to_know_what_is_usual() -> None:
    hours = dict.fromkeys(range(START, START + 5), 1) | {START + 5: 1_000}
    assert expected(hours, START, START + 4) is None
    usual = expected(hours, START, START + 5)
    assert usual is not None
    assert (usual.mean, usual.error) == (pytest.approx(1.0), pytest.approx(0.5795, abs=1e-4))
    assert escalating(hours, START, START + 5)


def test_less_than_ten_are_never_an_escalation() -> None:
    quiet = dict.fromkeys(range(START, START + 50), 0)
    assert not escalating(quiet | {START + 50: 9}, START, START + 50)
    assert escalating(quiet | {START + 50: 10}, START, START + 50)


def test_what_happens_every_week_at_this_hour_is_usual() -> None:
    hours = {START + past: 1 for past in range(WEEK_HOURS + 10)}
    busy = hours | {START + 5: 100}
    hour = START + 5 + WEEK_HOURS
    assert escalating(hours | {hour: 100}, START, hour)
    assert not escalating(busy | {hour: 100}, START, hour)


def test_an_escalation_outlasts_the_hour_it_began_in() -> None:
    hours = {START + past: 2 for past in range(20)} | {START + 20: 90}
    assert escalating(hours, START, START + 21)
    assert not escalating(hours, START, START + 22)


@pytest.mark.parametrize(("count", "mean"), [(1, 0.2), (10, 3.0), (46, 25.0), (30, 29.9)])
def test_the_tail_of_poissons_law_is_what_the_law_says(count: int, mean: float) -> None:
    below = sum(exp(-mean) * mean**k / factorial(k) for k in range(count))
    assert tail(count, mean) == pytest.approx(1 - below, rel=1e-6)


def test_the_tail_goes_on_smoothly_where_the_formula_changes() -> None:
    assert tail(1_000, 950.0) == pytest.approx(tail(999, 950.0), rel=0.1)
    assert tail(1_000, 950.0) < tail(999, 950.0)
    assert (tail(5, 0.0), tail(5, 5.0)) == (0.0, 1.0)


@pytest.mark.parametrize("mean", [0.0, 10.0, 1e5])
def test_ten_times_as_much_is_unusual_and_as_much_is_not(mean: float) -> None:
    assert unusual(int(mean * 10) + 10, Expected(mean, 0.0))
    assert not unusual(int(mean), Expected(mean, 0.0))
