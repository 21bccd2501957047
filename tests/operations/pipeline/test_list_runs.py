"""Listing runs."""

from typing import Any

import pytest

from functions.pipeline.list_runs import ListRuns, list_runs
from isthmus.storage.adapters.sqlite import SqliteTable


def test_without_runs_the_list_is_empty(tmp_path: Any) -> None:
    shown = list_runs.function(ListRuns(), SqliteTable(tmp_path / "table.sqlite"))

    assert (shown.runs, shown.next) == ((), None)


@pytest.mark.node
def test_the_newest_runs_come_first_and_pages_join(desk: Any) -> None:
    ids = [desk.run(height, height).run_id for height in range(5)]

    first = list_runs.function(ListRuns(limit=3), desk.table)
    second = list_runs.function(ListRuns(limit=3, before=first.next), desk.table)

    assert [run.run_id for run in (*first.runs, *second.runs)] == ids[::-1]
    assert second.next is None
