"""Operations that spend under every schedule of faults, and the first schedule that shows a planted bug."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial

from tests.faults.planted import Bug
from tests.faults.trial import Case, Spend, Trial, trial
from tests.faults.world import Schedule, World, schedules

SEARCHED = 1_500
"""Schedules of up to two faults in a case, among which a bug is looked for."""


@dataclass
class Explored:
    """What a number of schedules have shown.

    Args:
        ran: how many of so many faults, by their number.
        broken: what was broken in which case by which schedule.
        tried: which faults of which calls.
        possible: which faults the calls have that are made when nothing goes wrong.
    """

    ran: Counter[int] = field(default_factory=Counter)
    broken: list[tuple[str, Schedule, list[str]]] = field(default_factory=list)
    tried: set[tuple[str, str]] = field(default_factory=set)
    possible: set[tuple[str, str]] = field(default_factory=set)


def explore(spend: Spend, *, faults: int, at_most: int) -> Explored:
    """Try an operation in each of its cases under so many schedules of up to so many faults."""
    found, done = Explored(), list[Trial]()

    def run(case: Case, schedule: Schedule) -> World:
        done.append(trial(spend, case, schedule))
        return done[-1].world

    for case in spend.cases:
        for schedule, world in schedules(partial(run, case), faults=faults, at_most=at_most):
            found.ran[len(schedule)] += 1
            names = [name.split()[0] for name, _ in world.calls]
            found.tried |= {(names[index], kind) for index, kind in schedule.items()}
            found.possible |= {(name.split()[0], kind) for name, kinds in world.calls for kind in kinds if not schedule}
            if broken := done.pop().broken:
                found.broken.append((str(case), dict(schedule), broken))
    return found


def first_violation(bug: Bug) -> tuple[Case, Schedule, list[str]] | None:
    """The first violation, fewest faults first; None if no schedule shows the bug."""
    for faults, at_most in ((0, 1), (1, 200), (2, SEARCHED)):
        for case in bug.spend.cases:
            if found := _in_case(bug, case, faults, at_most):
                return case, *found
    return None


def _in_case(bug: Bug, case: Case, faults: int, at_most: int) -> tuple[Schedule, list[str]] | None:
    broken: list[str] = []

    def run(schedule: Schedule) -> World:
        done = trial(bug.spend, case, schedule, bug.engine, bug.makes)
        broken[:] = done.broken
        return done.world

    for schedule, _ in schedules(run, faults=faults, at_most=at_most):
        if broken:
            return schedule, broken
    return None
