"""Stage 2: validate."""

from typing import Any

import numpy as np
import pytest

from functions.pipeline.validate import validate
from infra.local.bitcoind import RegtestNode
from isthmus.failure import Conflict
from isthmus.pipeline import runs, stages
from isthmus.pipeline.models import OfBatch
from isthmus.pipeline.segments import Segment

pytestmark = pytest.mark.node


@pytest.fixture
def segment(desk: Any, lively_node: RegtestNode) -> tuple[Any, str, Segment]:
    """A collected batch: the tip's block."""
    tip = lively_node.rpc("getblockcount")
    run = desk.plan(tip, tip)
    batch = stages.collect(desk.table, desk.blobs, desk.node, desk.sql, run.run_id, tip)
    return desk, run.run_id, stages._segment(batch)


def spoil(desk: Any, segment: Segment, table: str, column: str, change: Any) -> None:
    """Rewrite one column of a stored file."""
    key = segment.key(table)  # type: ignore[arg-type]
    rows = desk.sql.query(f"SELECT * FROM {table}", {table: [desk.blobs.fetch(key)]})
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    columns[column] = change(columns[column])
    typed = {n: v if isinstance(v[0], bytes) else np.array(v) for n, v in columns.items()}
    desk.blobs.put(key, desk.sql.encode(typed))


def verdict(desk: Any, run_id: str, segment: Segment) -> tuple[str, str, set[str]]:
    view = validate.function(OfBatch(run_id=run_id, first=segment.first), desk.table, desk.blobs, desk.sql)
    return view.status, view.verdict, {finding.check for finding in view.findings}


def test_a_real_block_passes(segment: tuple[Any, str, Segment]) -> None:
    assert verdict(*segment) == ("validated", "pass", set())


def test_a_changed_txid_blocks_the_batch(segment: tuple[Any, str, Segment]) -> None:
    desk, _, stored = segment
    spoil(desk, stored, "transactions", "txid", lambda txids: [*txids[:-1], bytes(32)])

    assert verdict(*segment) == ("refused", "block", {"merkle_root"})


def test_a_lost_transaction_blocks_the_batch(segment: tuple[Any, str, Segment]) -> None:
    desk, _, stored = segment
    key = stored.key("transactions")
    rows = desk.sql.derive("SELECT * FROM t WHERE tx_index <> 1", {"t": [desk.blobs.fetch(key)]})
    desk.blobs.put(key, rows)

    status, _, found = verdict(*segment)

    assert status == "refused"
    assert {"merkle_root", "weight"} <= found


def test_a_coinbase_that_takes_too_much_is_set_aside(segment: tuple[Any, str, Segment]) -> None:
    desk, _, stored = segment
    spoil(desk, stored, "blocks", "coinbase_sat", lambda sats: [sats[0] + 1])

    assert verdict(*segment) == ("quarantined", "quarantine", {"coinbase"})


def test_amounts_beyond_all_money_are_set_aside(segment: tuple[Any, str, Segment]) -> None:
    desk, _, stored = segment
    spoil(desk, stored, "transactions", "fee_sat", lambda fees: [fees[0], *(2**62 for _ in fees[1:])])

    status, _, found = verdict(*segment)

    assert (status, "fee" in found) == ("quarantined", True)


def test_a_coinbase_that_takes_less_is_noted_and_goes_on(segment: tuple[Any, str, Segment]) -> None:
    desk, _, stored = segment
    spoil(desk, stored, "blocks", "coinbase_sat", lambda sats: [sats[0] - 1])

    assert verdict(*segment) == ("validated", "warn", {"coinbase"})


def test_a_forged_header_blocks_the_batch(segment: tuple[Any, str, Segment]) -> None:
    desk, _, stored = segment
    spoil(desk, stored, "blocks", "header", lambda headers: [headers[0][:-1] + bytes([headers[0][-1] ^ 1])])

    status, _, found = verdict(*segment)

    assert (status, "header" in found) == ("refused", True)


def test_a_batch_that_was_not_collected_is_refused(desk: Any) -> None:
    run = desk.plan(1, 1)

    with pytest.raises(Conflict, match="not been collected"):
        validate.function(OfBatch(run_id=run.run_id, first=1), desk.table, desk.blobs, desk.sql)

    assert runs.batch(desk.table, run.run_id, 1).status == "planned"
