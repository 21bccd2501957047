"""Stage 1: collect."""

from concurrent.futures import Executor, Future
from contextlib import nullcontext
from decimal import Decimal
from typing import Any

import pytest

from functions.pipeline.collect import collect
from infra.local.bitcoind import RegtestNode
from isthmus.failure import Conflict, NotFound, Unavailable
from isthmus.pipeline import runs, stages
from isthmus.pipeline.models import OfBatch

pytestmark = pytest.mark.node


def collected(desk: Any, first: int, last: int | None = None) -> dict[str, list[dict[str, Any]]]:
    run = desk.plan(first, first if last is None else last)
    collect.function(OfBatch(run_id=run.run_id, first=first), desk.table, desk.blobs, desk.node, desk.sql)
    segment = stages._segment(runs.batch(desk.table, run.run_id, first))
    names = ("transactions", "blocks", "flows")
    files = {name: [desk.blobs.fetch(segment.key(name))] for name in names}
    return {name: desk.sql.query(f"SELECT * FROM {name}", files) for name in names}


def test_every_transaction_equals_what_the_node_says_of_it(desk: Any, lively_node: RegtestNode) -> None:
    tip = lively_node.rpc("getblockcount")
    block = lively_node.rpc("getblock", lively_node.rpc("getblockhash", tip), 3)

    rows = collected(desk, tip)["transactions"]

    assert len(rows) == len(block["tx"]) > 5
    for row, tx in zip(rows, block["tx"], strict=True):
        assert row["txid"].hex() == tx["txid"]
        assert row["weight"] == tx["weight"]
        assert row["fee_sat"] == sat(tx.get("fee", 0))
        assert (row["inputs"], row["outputs"]) == (len(tx["vin"]), len(tx["vout"]))
        assert row["output_sat"] == sum(sat(out["value"]) for out in tx["vout"])
        assert row["replaceable"] == any(one["sequence"] < 0xFFFFFFFE for one in tx["vin"])
        assert row["segwit"] == (tx["hash"] != tx["txid"])


def test_the_block_row_equals_the_node_s_header(desk: Any, lively_node: RegtestNode) -> None:
    tip = lively_node.rpc("getblockcount")
    block = lively_node.rpc("getblock", lively_node.rpc("getblockhash", tip), 1)

    row = collected(desk, tip)["blocks"][0]

    assert row["header"].hex() == lively_node.rpc("getblockheader", block["hash"], False)
    assert (row["block_hash"].hex(), row["height"], row["time"]) == (block["hash"], tip, block["time"])
    assert (row["size"], row["weight"]) == (block["size"], block["weight"])


def test_flows_balance_made_and_spent_with_fees(desk: Any, lively_node: RegtestNode) -> None:
    tables = collected(desk, lively_node.rpc("getblockcount"))

    made = sum(row["value_sat"] for row in tables["flows"] if row["direction"] == "made")
    spent = sum(row["value_sat"] for row in tables["flows"] if row["direction"] == "spent")
    fees = sum(row["fee_sat"] for row in tables["transactions"])
    assert made - tables["blocks"][0]["coinbase_sat"] == spent - fees
    assert len({row["script_type"] for row in tables["flows"]}) >= 4


def test_collecting_again_writes_the_same_bytes(desk: Any, desk_on: Any, lively_node: RegtestNode) -> None:
    tip = lively_node.rpc("getblockcount")
    other = desk_on(lively_node)

    collected(desk, tip)
    collected(other, tip)

    keys = desk.blobs.list("segments/")
    assert keys == other.blobs.list("segments/")
    assert [desk.blobs.get(key).body for key in keys] == [other.blobs.get(key).body for key in keys]


def test_a_batch_nobody_planned_is_refused(desk: Any) -> None:
    with pytest.raises(NotFound):
        collect.function(OfBatch(run_id="00000001-000000000000", first=3), desk.table, desk.blobs, desk.node, desk.sql)


def test_a_node_that_is_gone_parks_the_batch_with_its_reason(desk: Any) -> None:
    run = desk.plan(1, 1)

    class Gone:
        def batch(self, method: str, params: Any) -> Any:
            raise Unavailable("The node does not answer.", next_step="Start it.", code="bitcoin/down")

    with pytest.raises(Unavailable):
        collect.function(OfBatch(run_id=run.run_id, first=1), desk.table, desk.blobs, Gone(), desk.sql)

    parked = runs.batch(desk.table, run.run_id, 1)
    assert parked.reason == {
        "stage": "collect",
        "kind": "unavailable",
        "code": "bitcoin/down",
        "detail": "The node does not answer. Start it.",
    }
    assert desk.blobs.list("segments/") == []


def test_blocks_are_fetched_only_as_far_ahead_as_memory_allows() -> None:
    fetched: list[str] = []

    class AtOnce(Executor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            done: Future[Any] = Future()
            done.set_result(fn(*args, **kwargs))
            return done

    def fetch(block_hash: str) -> tuple[bytes, bytes]:
        fetched.append(block_hash)
        return block_hash.encode(), b""

    hashes = [str(number) for number in range(144)]
    blocks = stages._ahead(AtOnce(), fetch, hashes)

    assert next(blocks) == (b"0", b"")
    assert len(fetched) == stages.FETCHED_AHEAD
    assert [block.decode() for block, _ in blocks] == hashes[1:]


@pytest.mark.parametrize("gone", [False, True])
def test_a_collector_that_others_overtook_undoes_nothing(desk: Any, *, gone: bool) -> None:
    run = desk.plan(1, 1)
    real = desk.node

    class Gone:
        def batch(self, method: str, params: Any) -> Any:
            raise Unavailable("The node does not answer.", next_step="Start it.", code="bitcoin/down")

    def overtake() -> None:
        stages.collect(desk.table, desk.blobs, real, desk.sql, run.run_id, 1)
        stages.validate(desk.table, desk.blobs, desk.sql, run.run_id, 1)

    table = desk.interrupted(overtake)
    with pytest.raises(Unavailable) if gone else nullcontext():
        stages.collect(table, desk.blobs, Gone() if gone else real, desk.sql, run.run_id, 1)

    left = runs.batch(desk.table, run.run_id, 1)
    assert (left.status, left.reason) == ("validated", None)


def test_a_chain_that_moves_meanwhile_is_noticed(desk: Any, lively_node: RegtestNode) -> None:
    run = desk.plan(1, 1)
    real = desk.node

    class Moving:
        raw_block, spent_outputs = real.raw_block, real.spent_outputs

        def batch(self, method: str, params: Any) -> Any:
            return [real.call("getblockhash", height) for height in (1, 3)]

    with pytest.raises(Conflict, match="moved"):
        stages.collect(desk.table, desk.blobs, Moving(), desk.sql, run.run_id, 1)


def sat(amount: Decimal | float) -> int:
    return round(Decimal(str(amount)) * 100_000_000)
