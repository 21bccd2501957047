"""Whether something happens more often than it used to: counts per hour against what the hours before make likely."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log, sqrt

HOUR_MS = 3_600_000
WEEK_HOURS = 168
KEPT_HOURS = WEEK_HOURS + 24

WEIGHT = 0.1
"""Of the newest hour in the exponentially weighted mean; an hour counts half after seven."""

MIN_HOURS = 3
"""Whole hours to know before anything can be called more than usual."""

MIN_COUNT = 10
SIGMAS = 3.0
RARE = 1e-4
"""How likely a count may be by chance and still be called unusual: once in fourteen months of hours."""

Hours = Mapping[int, int]
"""Counts by hour since the epoch; an hour that is not there counted nothing."""


@dataclass(frozen=True)
class Expected:
    """What an hour should count: the mean, and how much of it is guesswork."""

    mean: float
    error: float


def expected(hours: Hours, first: int, hour: int) -> Expected | None:
    """What `hour` should count, from the whole hours after `first` and before the last two, or None: too few.

    The larger of the exponentially weighted mean and the same hour last week. The hour before is left out because it
    is judged itself: what goes on for more than an hour must not become usual while it is looked at.
    """
    known = range(max(first + 1, hour - WEEK_HOURS), hour - 1)
    if len(known) < MIN_HOURS:
        return None
    weights = {one: (1 - WEIGHT) ** (hour - 2 - one) for one in known}
    total = sum(weights.values())
    mean = sum(weight * hours.get(one, 0) for one, weight in weights.items()) / total
    spread = sqrt(sum(weight**2 for weight in weights.values())) / total
    last_week = float(hours.get(hour - WEEK_HOURS, 0))
    return Expected(max(mean, last_week), spread * sqrt(max(mean, 1.0)))


def escalating(hours: Hours, first: int, hour: int) -> bool:
    """Whether this hour so far, or the one before, counts far more than it should."""
    usual = expected(hours, first, hour)
    if usual is None:
        return False
    return unusual(max(hours.get(hour, 0), hours.get(hour - 1, 0)), usual)


def unusual(count: int, usual: Expected) -> bool:
    """At least ten, more than three standard deviations above, and by a Poisson law too rare to be chance."""
    if count < MIN_COUNT or count <= usual.mean + SIGMAS * sqrt(usual.mean):
        return False
    return tail(count, usual.mean + 2 * usual.error) < RARE


def tail(count: int, mean: float) -> float:
    """The probability that a Poisson variable of this mean is at least `count`, which is above the mean.

    Summed upwards from `count`, where each term is smaller than the one before by more than `mean / count`.
    """
    if mean <= 0 or count <= mean:
        return float(count <= mean)
    logarithm = (
        -mean + count * log(mean) - sum(log(k) for k in range(2, count + 1))
        if count < 1_000
        else _stirling(count, mean)
    )
    term, total, k = exp(logarithm), 0.0, count
    while term > total * 1e-9 and k < count + 10_000:
        total += term
        k += 1
        term *= mean / k
    return min(1.0, total)


def _stirling(count: int, mean: float) -> float:
    """The logarithm of a Poisson probability for large counts."""
    return count - mean + count * log(mean / count) - 0.5 * log(6.283185307179586 * count)
