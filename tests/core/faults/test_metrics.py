"""Failures as metrics: one line of JSON each."""

import json
from typing import Any

import pytest

from isthmus.failure import Defect, Unavailable
from isthmus.faults import metrics
from isthmus.faults.classify import classify
from isthmus.operation import Effect


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """The lines on standard output so far."""
    monkeypatch.setenv("ISTHMUS_HOME", str(tmp_path))
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_failure_is_counted_by_kind_and_domain(lines: Any) -> None:
    metrics.failed("bitcoin", Unavailable("Gone.", next_step="Wait.", code="bitcoin/unreachable"))
    (line,) = lines()
    (told,) = line["_aws"]["CloudWatchMetrics"]
    assert told == {
        "Namespace": "Isthmus",
        "Dimensions": [["kind", "domain"]],
        "Metrics": [{"Name": "Failures", "Unit": "Count"}],
    }
    assert (line["kind"], line["domain"], line["Failures"]) == ("unavailable", "bitcoin", [1.0])


def test_a_code_in_no_table_is_counted_too(lines: Any) -> None:
    metrics.failed("bitcoin", Defect("What?", next_step="Report it.", code="bitcoin/unmapped"))
    classify("lnd", "NO_SUCH_CODE", Effect.READ)
    counted = [(line["system"], line["Unmapped"]) for line in lines() if "Unmapped" in line]
    assert counted == [("bitcoin", [1.0]), ("lnd", [1.0])]


def test_a_process_that_is_no_function_prints_nothing(lines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ISTHMUS_HOME")
    metrics.failed("bitcoin", Defect("What?", next_step="Report it."))
    assert lines() == []
