"""Starting a run."""

from typing import Any

import pytest

from functions.pipeline.start_run import StartRun, start_run
from infra.local.bitcoind import RegtestNode
from isthmus.failure import Conflict, Invalid
from isthmus.pipeline import runs, stages

pytestmark = pytest.mark.node


def start(desk: Any, **fields: int) -> Any:
    ports = (desk.table, desk.blobs, desk.node, desk.executions, desk.clock)
    return start_run.function(StartRun(**fields), *ports)


def test_a_run_is_recorded_before_its_execution_starts(desk: Any) -> None:
    run = start(desk, from_height=0, to_height=9)

    assert run.status == "running"
    assert desk.executions.started[run.run_id]["run_id"] == run.run_id
    assert [b["first"] for b in desk.executions.started[run.run_id]["batches"]] == list(range(10))


def test_without_an_end_the_run_goes_to_the_tip_and_follows(desk: Any, lively_node: RegtestNode) -> None:
    run = start(desk, from_height=3)

    assert (run.last, run.follow_from) == (lively_node.rpc("getblockcount"), 3)


def test_the_same_request_while_it_runs_is_the_same_run(desk: Any) -> None:
    first, again = start(desk, to_height=9), start(desk, to_height=9)

    assert first == again
    assert len(desk.executions.started) == 1


def test_the_same_request_at_the_same_moment_is_the_same_run_and_undoes_nothing(desk: Any) -> None:
    overtaking: list[Any] = []

    def overtake() -> None:
        overtaking.append(start(desk, to_height=2))
        stages.collect(desk.table, desk.blobs, desk.node, desk.sql, overtaking[0].run_id, 0)

    ports = (desk.interrupted(overtake), desk.blobs, desk.node, desk.executions, desk.clock)
    late = start_run.function(StartRun(to_height=2), *ports)

    assert [late] == overtaking
    assert [batch.status for batch in runs.batches(desk.table, late.run_id)] == ["collected", "planned", "planned"]


def test_another_request_at_the_same_moment_is_refused(desk: Any) -> None:
    table = desk.interrupted(lambda: start(desk, to_height=2))

    with pytest.raises(Conflict, match="not finished"):
        start_run.function(StartRun(to_height=3), table, desk.blobs, desk.node, desk.executions, desk.clock)

    assert len(desk.executions.started) == 1


def test_another_request_has_to_wait(desk: Any) -> None:
    first = start(desk, to_height=9)

    with pytest.raises(Conflict, match=first.run_id):
        start(desk, to_height=8)


def test_after_a_run_only_what_is_missing_is_collected(desk: Any) -> None:
    desk.run(0, 20)

    run = start(desk, to_height=22)

    assert [b["first"] for b in desk.executions.started[run.run_id]["batches"]] == [21, 22]


def test_a_run_whose_execution_died_is_failed_and_can_be_started_again(desk: Any) -> None:
    dead = start(desk, to_height=9)
    desk.executions.statuses[dead.run_id] = "FAILED"

    again = start(desk, to_height=9)

    assert again.run_id != dead.run_id
    assert again.status == "running"


def test_two_may_find_a_dead_run_at_the_same_moment(desk: Any) -> None:
    dead = start(desk, to_height=9)
    desk.executions.statuses[dead.run_id] = "FAILED"

    table = desk.interrupted(lambda: runs.refreshed(desk.table, desk.executions, desk.clock, dead.run_id))
    found = runs.refreshed(table, desk.executions, desk.clock, dead.run_id)

    assert found == runs.find(desk.table, dead.run_id)
    assert found.status == "failed"


def test_heights_above_the_tip_are_refused_and_nothing_is_recorded(desk: Any) -> None:
    with pytest.raises(Invalid) as refused:
        start(desk, from_height=10**6)

    assert refused.value.errors[0].pointer == "/from_height"
    assert desk.executions.started == {}
