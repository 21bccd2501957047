"""Leaving a batch with a reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from functions.pipeline.park import Park, park
from isthmus.pipeline import runs
from isthmus.pipeline.runs import Batch
from isthmus.storage.adapters.sqlite import SqliteTable

RUN = "00000001-0123456789ab"
MACHINE = Path(__file__).parents[3] / "infra" / "statemachines" / "pipeline.asl.json"


@pytest.fixture
def table(tmp_path: Path) -> SqliteTable:
    return SqliteTable(tmp_path / "table.sqlite")


def parked(table: SqliteTable, batch: Batch, error: str = "Sandbox.Timedout") -> Any:
    runs.put_batch(table, RUN, batch)
    return park.function(Park(run_id=RUN, first=batch.first, error=error), table)


@pytest.mark.parametrize(
    ("status", "stage"), [("planned", "collect"), ("collected", "validate"), ("validated", "process")]
)
def test_a_stage_that_was_ended_leaves_its_name_and_how_it_ended(table: SqliteTable, status: Any, stage: str) -> None:
    reason = parked(table, Batch(1, 9, status=status)).reason
    assert (reason.stage, reason.kind, reason.code) == (stage, "defect", "pipeline/ended")
    assert "Sandbox.Timedout" in reason.detail


def test_the_reason_that_a_stage_wrote_itself_stays(table: SqliteTable) -> None:
    own = {"stage": "collect", "kind": "unavailable", "code": "bitcoin/timeout", "detail": "No answer. Wait."}
    assert parked(table, Batch(1, 9, reason=own), "Unavailable").reason.code == "bitcoin/timeout"


@pytest.mark.parametrize("status", ["refused", "quarantined", "processed", "stored"])
def test_a_batch_that_its_stage_brought_to_an_end_is_left_alone(table: SqliteTable, status: Any) -> None:
    assert parked(table, Batch(1, 9, status=status)).reason is None


def test_everything_the_machine_catches_leads_to_what_writes_it_down() -> None:
    machine = json.loads(MACHINE.read_text())
    stages = machine["States"]["Batches"]["ItemProcessor"]["States"]
    caught = {name: [one["Next"] for one in state.get("Catch", ())] for name, state in stages.items()}
    assert {name: where for name, where in caught.items() if where} == {
        "Collect": ["Park"],
        "Validate": ["Park"],
        "Process": ["Park"],
        "Park": ["Parked"],
    }
    assert [one["Next"] for one in machine["States"]["Store"]["Catch"]] == ["Analyze"]
    assert "Catch" not in machine["States"]["Analyze"]  # the execution fails, and the run with it
