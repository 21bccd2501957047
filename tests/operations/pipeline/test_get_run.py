"""Looking at a run."""

from typing import Any

import pytest

from functions.pipeline.get_run import get_run
from isthmus.failure import NotFound, Unavailable
from isthmus.pipeline import stages
from isthmus.pipeline.models import OfRun
from isthmus.storage.adapters.sqlite import SqliteTable


def test_a_run_that_is_not_there_is_not_found(tmp_path: Any) -> None:
    with pytest.raises(NotFound, match="list_runs"):
        get_run.function(OfRun(run_id="00000001-000000000000"), SqliteTable(tmp_path / "table.sqlite"))


@pytest.mark.node
def test_progress_is_counted_by_status_and_verdict(desk: Any) -> None:
    run = desk.plan(0, 3)
    stages.collect(desk.table, desk.blobs, desk.node, desk.sql, run.run_id, 1)
    stages.validate(desk.table, desk.blobs, desk.sql, run.run_id, 1)

    shown = get_run.function(OfRun(run_id=run.run_id), desk.table)

    assert shown.progress == {"planned": 3, "validated": 1}
    assert (shown.verdicts, shown.transactions) == ({"pass": 1}, 1)


@pytest.mark.node
def test_a_parked_batch_is_shown_with_its_reason(desk: Any) -> None:
    run = desk.plan(2, 2)

    class Gone:
        def batch(self, method: str, params: Any) -> Any:
            raise Unavailable("The node does not answer.", next_step="Start it.", code="bitcoin/down")

    with pytest.raises(Unavailable):
        stages.collect(desk.table, desk.blobs, Gone(), desk.sql, run.run_id, 2)

    (parked,) = get_run.function(OfRun(run_id=run.run_id), desk.table).parked
    assert (parked.first, parked.reason.code) == (2, "bitcoin/down")


@pytest.mark.node
def test_a_batch_whose_stage_died_without_a_word_is_shown_when_the_run_has_ended(desk: Any) -> None:
    run = desk.plan(2, 3)
    stages.collect(desk.table, desk.blobs, desk.node, desk.sql, run.run_id, 2)
    stages.store(desk.table, desk.blobs, run.run_id)
    stages.analyze(desk.table, desk.blobs, desk.sql, desk.clock, run.run_id)

    shown = get_run.function(OfRun(run_id=run.run_id), desk.table)

    assert [(batch.first, batch.status) for batch in shown.parked] == [(2, "collected"), (3, "planned")]
