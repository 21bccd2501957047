"""The journal of what is published on one machine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.event_bus import EventBus
from infra.local.logs import BoundedLog
from infra.local.step_functions import AwsError


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.fixture
def bus(journal: Path) -> Iterator[EventBus]:
    log = BoundedLog(journal)
    yield EventBus(log)
    log.close()


def entry(**different: Any) -> dict[str, Any]:
    return {"Source": "a.b", "DetailType": "thing happened", "Detail": '{"n": 1}'} | different


def test_an_event_is_written_down_as_a_target_would_get_it(bus: EventBus, journal: Path) -> None:
    answer = bus.act("PutEvents", {"Entries": [entry()]})
    (written,) = [json.loads(line) for line in journal.read_text().splitlines()]
    assert (written["source"], written["detail-type"], written["detail"]) == ("a.b", "thing happened", {"n": 1})
    assert answer == {"FailedEntryCount": 0, "Entries": [{"EventId": written["id"]}]}


@pytest.mark.parametrize("detail", ["{", "[1]", "1", None])
def test_what_is_no_object_is_refused_alone(bus: EventBus, journal: Path, detail: Any) -> None:
    answer = bus.act("PutEvents", {"Entries": [entry(Detail=detail), entry()]})
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == "MalformedDetail"
    assert len(journal.read_text().splitlines()) == 1


@pytest.mark.parametrize("entries", [[], [entry()] * 11, "x", None, [entry(Detail=json.dumps("x" * 300_000))]])
def test_limits_are_the_service_s(bus: EventBus, entries: Any) -> None:
    with pytest.raises(AwsError):
        bus.act("PutEvents", {"Entries": entries})


def test_the_journal_is_bounded(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "events.jsonl", max_bytes=2_000, kept=2)
    bus = EventBus(log)
    for _ in range(100):
        bus.act("PutEvents", {"Entries": [entry()]})
    log.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4_000
