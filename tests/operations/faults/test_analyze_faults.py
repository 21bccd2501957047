"""Making groups of what failed."""

from typing import Any

from functions.faults.analyze_faults import AnalyzeFaults, FaultAnalysis, analyze_faults


def analyzed(ward: Any) -> FaultAnalysis:
    found = analyze_faults.function(AnalyzeFaults(), ward.table, ward.bus, ward.clock)
    assert isinstance(found, FaultAnalysis)
    return found


def test_the_inbox_becomes_groups_and_is_empty_then(ward: Any) -> None:
    assert analyzed(ward) == FaultAnalysis(reports=61, groups=2, escalated=(), told=1)
    assert analyzed(ward) == FaultAnalysis(reports=0, groups=2, escalated=(), told=0)


def test_what_begins_to_escalate_is_named_once(ward: Any) -> None:
    analyzed(ward)
    ward.happen(ward.old, count=40)
    assert analyzed(ward).escalated == (ward.old,)
    ward.happen(ward.old, count=40)
    assert analyzed(ward).escalated == ()


def test_whoever_subscribed_hears_of_it(ward: Any) -> None:
    analyzed(ward)
    ward.happen(ward.old, count=40)
    analyzed(ward)
    assert [(one.type, one.detail["group"]) for one in ward.bus.heard] == [
        ("fault group new", ward.young),
        ("fault group escalating", ward.old),
    ]


def test_it_is_started_by_the_schedule(ward: Any) -> None:
    assert (analyze_faults.route, analyze_faults.schedule) == (None, "rate(1 minute)")
