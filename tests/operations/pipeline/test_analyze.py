"""Stage 5: analyze."""

from typing import Any

import pytest

from functions.pipeline.analyze import analyze
from functions.pipeline.get_analysis import GetAnalysis, get_analysis
from infra.local.bitcoind import RegtestNode
from isthmus.pipeline import runs
from isthmus.pipeline.models import OfRun

pytestmark = pytest.mark.node


def test_a_finished_run_is_complete_and_summed_up(desk: Any, lively_node: RegtestNode) -> None:
    tip = lively_node.rpc("getblockcount")

    run = desk.run()

    assert (run.status, run.analysis["blocks"], run.analysis["last"]) == ("complete", tip + 1, tip)
    assert run.analysis["fees_sat"] == sum(
        lively_node.rpc("getblockstats", height, ["totalfee"])["totalfee"] for height in range(1, tip + 1)
    )


def test_the_feerate_table_names_each_block_by_its_hash(desk: Any, lively_node: RegtestNode) -> None:
    desk.run()

    shown = get_analysis.function(GetAnalysis(blocks=5), desk.blobs)

    assert [row.block_hash for row in shown.feerates] == [
        lively_node.rpc("getblockhash", row.height) for row in shown.feerates
    ]


def test_a_run_with_parked_batches_ends_as_parked(desk: Any) -> None:
    run = desk.plan(0, 0)

    view = analyze.function(OfRun(run_id=run.run_id), desk.table, desk.blobs, desk.sql, desk.clock)

    assert view.status == "parked"
    assert "1 of 1 batches are parked" in view.note


def test_a_finished_run_stays_as_it_is(desk: Any) -> None:
    run = desk.run(0, 3)
    desk.clock.now += 5_000

    analyze.function(OfRun(run_id=run.run_id), desk.table, desk.blobs, desk.sql, desk.clock)

    assert runs.find(desk.table, run.run_id) == run
