"""Making groups of what failed."""

from typing import Any

from functions.faults.analyze_faults import AnalyzeFaults, FaultAnalysis, analyze_faults


def analyzed(ward: Any) -> FaultAnalysis:
    found = analyze_faults.function(AnalyzeFaults(), ward.table, ward.clock)
    assert isinstance(found, FaultAnalysis)
    return found


def test_the_inbox_becomes_groups_and_is_empty_then(ward: Any) -> None:
    assert analyzed(ward) == FaultAnalysis(reports=61, groups=2, escalated=())
    assert analyzed(ward) == FaultAnalysis(reports=0, groups=2, escalated=())


def test_what_begins_to_escalate_is_named_once(ward: Any) -> None:
    analyzed(ward)
    ward.happen(ward.old, count=40)
    assert analyzed(ward).escalated == (ward.old,)
    ward.happen(ward.old, count=40)
    assert analyzed(ward).escalated == ()


def test_it_is_started_by_the_schedule(ward: Any) -> None:
    assert (analyze_faults.route, analyze_faults.schedule) == (None, "rate(1 minute)")
