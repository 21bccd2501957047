"""The harness is tried itself: each bug of the field is found, by what it breaks."""

import pytest

from tests.faults.exploring import first_violation
from tests.faults.planted import BUGS, Bug


@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    found = first_violation(bug)

    assert found is not None
    _, _, broken = found
    assert bug.breaks in {one[:2] for one in broken}
    assert "I0" not in {one[:2] for one in broken}, "the bug breaks down by itself"
