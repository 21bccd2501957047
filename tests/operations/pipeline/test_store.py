"""Stage 4: store."""

from collections.abc import Callable
from typing import Any

import pytest

from functions.pipeline.store import store
from infra.local.bitcoind import RegtestNode
from isthmus.failure import Conflict
from isthmus.pipeline import manifest, runs, stages
from isthmus.pipeline.models import OfRun

pytestmark = pytest.mark.node


def processed(desk: Any, first: int, last: int) -> str:
    run = desk.plan(first, last)
    for batch in desk.executions.started[run.run_id]["batches"]:
        stages.collect(desk.table, desk.blobs, desk.node, desk.sql, run.run_id, batch["first"])
        stages.validate(desk.table, desk.blobs, desk.sql, run.run_id, batch["first"])
        stages.process(desk.table, desk.blobs, desk.sql, run.run_id, batch["first"])
    return str(run.run_id)


def test_a_run_s_batches_become_the_chain_in_one_commit(desk: Any) -> None:
    run_id = processed(desk, 0, 20)

    view = store.function(OfRun(run_id=run_id), desk.table, desk.blobs)

    current, _ = manifest.load(desk.blobs)
    assert current is not None
    assert (view.manifest_version, current.version) == (1, 1)
    assert [h for s in current.segments for h in range(s.first, s.last + 1)] == list(range(21))


def test_storing_twice_commits_once(desk: Any) -> None:
    run_id = processed(desk, 0, 5)

    store.function(OfRun(run_id=run_id), desk.table, desk.blobs)
    before = manifest.load(desk.blobs)
    store.function(OfRun(run_id=run_id), desk.table, desk.blobs)

    assert manifest.load(desk.blobs) == before


def test_a_batch_that_is_not_processed_stays_out(desk: Any) -> None:
    run = desk.plan(3, 4)
    stages.collect(desk.table, desk.blobs, desk.node, desk.sql, run.run_id, 3)

    store.function(OfRun(run_id=run.run_id), desk.table, desk.blobs)

    current, _ = manifest.load(desk.blobs)
    assert current is None or current.segments == ()


def test_branches_that_do_not_meet_are_refused_and_the_run_says_so(
    fresh_node: Callable[..., RegtestNode], desk_on: Any
) -> None:
    node = fresh_node(blocks=12)
    desk = desk_on(node)
    desk.run(0, 10)
    run_id = processed(desk, 11, 12)
    node.rpc("invalidateblock", node.rpc("getblockhash", 10))
    node.mine(4, script_pubkey="020001")
    desk.executions.statuses[run_id] = "ABORTED"
    late = processed(desk, 13, 13)

    runs.put_batch(desk.table, late, runs.batch(desk.table, run_id, 12))
    with pytest.raises(Conflict, match="one chain"):
        store.function(OfRun(run_id=late), desk.table, desk.blobs)

    assert "one chain" in runs.find(desk.table, late).note
