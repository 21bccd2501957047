"""Stage 3: process."""

from typing import Any

import pytest

from functions.pipeline.process import process
from infra.local.bitcoind import RegtestNode
from isthmus.pipeline import stages
from isthmus.pipeline.models import OfBatch

pytestmark = pytest.mark.node


def test_feerate_percentiles_equal_the_node_s_own_for_every_block(desk: Any, lively_node: RegtestNode) -> None:
    tip = lively_node.rpc("getblockcount")
    run = desk.plan(max(0, tip - 30), tip)
    compared = 0

    for batch in desk.executions.started[run.run_id]["batches"]:
        collected = stages.collect(desk.table, desk.blobs, desk.node, desk.sql, run.run_id, batch["first"])
        process.function(OfBatch(run_id=run.run_id, first=batch["first"]), desk.table, desk.blobs, desk.sql)
        path = desk.blobs.fetch(stages._segment(collected).key("statistics"))
        for row in desk.sql.query("SELECT * FROM statistics", {"statistics": [path]}):
            stats = lively_node.rpc("getblockstats", row["height"])
            ours = [row[f"feerate_{name}"] for name in ("p10", "p25", "p50", "p75", "p90")]
            assert [rate // 1000 if rate is not None else 0 for rate in ours] == stats["feerate_percentiles"]
            assert (row["payments"], row["fees_sat"]) == (stats["txs"] - 1, stats["totalfee"])
            assert (row["feerate_max"] or 0) // 1000 == stats["maxfeerate"]
            compared += row["payments"] > 0

    assert compared > 10


def test_a_block_without_payments_has_no_feerates(desk: Any) -> None:
    run = desk.plan(1, 1)
    collected = stages.collect(desk.table, desk.blobs, desk.node, desk.sql, run.run_id, 1)

    view = process.function(OfBatch(run_id=run.run_id, first=1), desk.table, desk.blobs, desk.sql)

    path = desk.blobs.fetch(stages._segment(collected).key("statistics"))
    (row,) = desk.sql.query("SELECT * FROM statistics", {"statistics": [path]})
    assert (row["payments"], row["feerate_p50"]) == (0, None)
    assert view.status == "processed"
