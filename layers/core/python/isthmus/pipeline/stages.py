"""The five stages over the ports: collect, validate, process, store, analyze.

Each stage may run any number of times: it reads the batch's item, writes content-named blobs, and writes the item
last. A stage that fails leaves its reason in the item and raises; the state machine repeats it or goes on, and the
batch stays parked with that reason until a later run collects it again.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson

from isthmus.failure import Conflict, Failure
from isthmus.pipeline import checks, manifest, runs, statistics
from isthmus.pipeline.blocks import Columns, joined, read_blocks
from isthmus.pipeline.manifest import Manifest
from isthmus.pipeline.runs import Batch, Run
from isthmus.pipeline.segments import Segment, TableName, Window
from isthmus.ports import BitcoinNode, Blobs, Clock, Sql, Table

FETCHERS = 4
FETCHED_AHEAD = 16
READ_AT_ONCE_BYTES = 4 * 1024 * 1024
ANALYSIS_KEY = "analysis.json"
ANALYSED_BLOCKS = 2016

_Raw = tuple[bytes, bytes]

_STAGE_AFTER: dict[runs.BatchStatus, str] = {"planned": "collect", "collected": "validate", "validated": "process"}

_AFTER: dict[checks.Verdict, runs.BatchStatus] = {
    "pass": "validated",
    "warn": "validated",
    "quarantine": "quarantined",
    "block": "refused",
}


@contextmanager
def _reasoned(table: Table, run_id: str, first: int, stage: str) -> Iterator[Batch]:
    """The batch for a stage; when the stage fails, the reason is written before the failure goes on."""
    batch = runs.batch(table, run_id, first)
    try:
        yield batch
    except Failure as failure:
        reason = {"stage": stage, "kind": failure.kind, "code": failure.code, "detail": str(failure)}
        runs.advance(table, run_id, batch, reason=reason)
        raise


def collect(table: Table, blobs: Blobs, node: BitcoinNode, sql: Sql, run_id: str, first: int) -> Batch:
    """Fetch a batch's blocks and store them as one segment's transactions, blocks and flows.

    Raises:
        Unavailable: the node does not answer.
        Conflict: the chain moved while the blocks were fetched.
        Integrity: the node's bytes are not blocks.
    """
    with _reasoned(table, run_id, first, "collect") as batch:
        if batch.segment is not None:
            return batch
        window = Window(batch.first, batch.last)
        columns = _fetch(node, window)
        files = {name: sql.encode(table) for name, table in _tables(window, columns).items()}
        segment = Segment(
            first=window.first,
            last=window.last,
            block_hash=columns.hashes[-1][::-1].hex(),
            previous_hash=columns.previous_hashes[0][::-1].hex(),
            transactions=len(columns.txids),
            bytes=sum(len(body) for body in files.values()),
        )
        for name, body in files.items():
            blobs.put(segment.key(name), body)
    return runs.advance(table, run_id, batch, status="collected", segment=segment.to_item(), reason=None)


def _fetch(node: BitcoinNode, window: Window) -> Columns:
    """The blocks of a window, fetched ahead of the reading, and checked to be one chain."""
    heights = range(window.first, window.last + 1)
    hashes: list[str] = node.batch("getblockhash", [(height,) for height in heights])

    def bytes_of(block_hash: str) -> _Raw:
        return node.raw_block(block_hash), node.spent_outputs(block_hash)

    with ThreadPoolExecutor(FETCHERS) as pool:
        columns = joined([read_blocks(chunk) for chunk in _chunks(_ahead(pool, bytes_of, hashes))])
    expected = [bytes.fromhex(block_hash)[::-1] for block_hash in hashes]
    if columns.hashes != expected or columns.previous_hashes[1:] != expected[:-1]:
        raise Conflict(
            "The chain moved while the blocks were fetched.",
            next_step="Repeat: the heights have other blocks now.",
            code="pipeline/chain-moved",
        )
    return columns


def _ahead(pool: Executor, fetch: Callable[[str], _Raw], hashes: Sequence[str]) -> Iterator[_Raw]:
    """Blocks in order with what they spend; at most FETCHED_AHEAD wait to be read, because blocks are large."""
    coming: deque[Future[_Raw]] = deque()
    for block_hash in hashes:
        coming.append(pool.submit(fetch, block_hash))
        if len(coming) == FETCHED_AHEAD:
            yield coming.popleft().result()
    while coming:
        yield coming.popleft().result()


def _chunks(blocks: Iterator[_Raw]) -> Iterator[list[_Raw]]:
    """Blocks in order, as many at a time as READ_AT_ONCE_BYTES hold."""
    chunk: list[_Raw] = []
    held = 0
    for block in blocks:
        chunk.append(block)
        held += len(block[0])
        if held >= READ_AT_ONCE_BYTES:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def _tables(window: Window, columns: Columns) -> dict[TableName, dict[str, Any]]:
    """A segment's three collected tables; hashes in the byte order that explorers show."""
    import numpy as np

    heights = np.arange(window.first, window.last + 1, dtype=np.int32)
    hashes = [block_hash[::-1] for block_hash in columns.hashes]
    coinbases = np.cumsum(columns.counts) - columns.counts
    return {
        "transactions": {
            "height": np.repeat(heights, columns.counts),
            "tx_index": (np.arange(len(columns.txids)) - np.repeat(coinbases, columns.counts)).astype(np.int32),
            "txid": [txid[::-1] for txid in columns.txids],
            "fee_sat": columns.fee_sat,
            "weight": columns.tx_weight.astype(np.int32),
            "inputs": columns.inputs.astype(np.int32),
            "outputs": columns.outputs.astype(np.int32),
            "output_sat": columns.output_sat,
            "replaceable": columns.replaceable,
            "segwit": columns.segwit,
        },
        "blocks": {
            "height": heights,
            "block_hash": hashes,
            "header": columns.headers,
            "time": np.array([int.from_bytes(header[68:72], "little") for header in columns.headers], np.int64),
            "size": np.array(columns.sizes, np.int32),
            "weight": columns.weights.astype(np.int32),
            "coinbase_sat": columns.output_sat[coinbases],
        },
        "flows": {
            "height": np.array([window.first + flow.block for flow in columns.flows], np.int32),
            "block_hash": [hashes[flow.block] for flow in columns.flows],
            "direction": [flow.direction for flow in columns.flows],
            "script_type": [flow.script_type for flow in columns.flows],
            "outputs": np.array([flow.outputs for flow in columns.flows], np.int32),
            "value_sat": np.array([flow.value_sat for flow in columns.flows], np.int64),
        },
    }


def validate(table: Table, blobs: Blobs, sql: Sql, run_id: str, first: int) -> Batch:
    """Check the stored rows of a batch; `block` and `quarantine` keep it out of the tables."""
    with _reasoned(table, run_id, first, "validate") as batch:
        segment = _segment(batch)
        chain = runs.find(table, run_id).chain
        files = _files(blobs, [segment], "transactions", "blocks")
        facts = checks.facts(sql.query(checks.FACTS_SQL, files))
        found = checks.check(facts, chain, segment)
        verdict = checks.worst(found)
        findings = tuple(asdict(finding) for finding in found)
    status = _AFTER[verdict]
    return runs.advance(table, run_id, batch, status=status, verdict=verdict, findings=findings, reason=None)


def process(table: Table, blobs: Blobs, sql: Sql, run_id: str, first: int) -> Batch:
    """Derive a batch's statistics: one row per block, under the segment's own name, so that both come and go as one."""
    with _reasoned(table, run_id, first, "process") as batch:
        segment = _segment(batch)
        files = _files(blobs, [segment], "transactions", "blocks")
        blobs.put(segment.key("statistics"), sql.derive(statistics.STATISTICS_SQL, files))
    return runs.advance(table, run_id, batch, status="processed", reason=None)


def park(table: Table, run_id: str, first: int, error: str) -> Batch:
    """Leave a batch with a reason; a stage that ended by itself wrote its own, one that was ended could not."""
    batch = runs.batch(table, run_id, first)
    stage = _STAGE_AFTER.get(batch.status)
    if stage is None or batch.reason is not None:
        return batch
    detail = (
        f"The stage ended without an answer: {error}. Start the run again; if it stays, look at the function's log."
    )
    reason = {"stage": stage, "kind": "defect", "code": "pipeline/ended", "detail": detail}
    return runs.advance(table, run_id, batch, reason=reason)


def store(table: Table, blobs: Blobs, run_id: str) -> Run:
    """Make a run's processed batches part of the chain, and retract what the chain no longer has, in one commit.

    Raises:
        Conflict: the batches and the stored segments are not one chain, or somebody else committed meanwhile.
    """
    run = runs.find(table, run_id)
    ready = [batch for batch in runs.batches(table, run_id) if batch.status in ("processed", "stored")]
    try:
        committed = _commit(blobs, run, [_segment(batch) for batch in ready])
    except Failure as failure:
        runs.update(table, run, note=str(failure))
        raise
    for batch in ready:
        runs.advance(table, run_id, batch, status="stored")
    return runs.update(table, run, manifest_version=committed.version, note="")


def _commit(blobs: Blobs, run: Run, added: Sequence[Segment]) -> Manifest:
    """The manifest after a run; the commit is skipped when it holds all of it already."""
    current, etag = manifest.load(blobs)
    before = current or Manifest(version=0, genesis=run.genesis, follow_from=None, segments=())
    follow = [height for height in (before.follow_from, run.follow_from) if height is not None]
    merged = manifest.merged(before, added, set(run.retract))
    after = replace(merged, follow_from=min(follow, default=None))
    if after == before:
        return before
    after = replace(after, version=before.version + 1)
    manifest.commit(blobs, after, etag)
    return after


def analyze(table: Table, blobs: Blobs, sql: Sql, clock: Clock, run_id: str) -> Run:
    """Write feerates and flows of the latest stored blocks beside the manifest; then the run is finished."""
    run = runs.find(table, run_id)
    current, _ = manifest.load(blobs)
    summary = _analysis(blobs, sql, current) if current and current.segments else None
    parked = [batch for batch in runs.batches(table, run_id) if batch.status != "stored"]
    if not parked and run.manifest_version is not None:
        return runs.finish(table, clock, run, status="complete", analysis=summary)
    note = run.note or f"{len(parked)} of {run.batches} batches are parked; start the run again to collect them."
    return runs.finish(table, clock, run, status="parked", note=note, analysis=summary)


def _analysis(blobs: Blobs, sql: Sql, current: Manifest) -> dict[str, Any]:
    """Write the analysis of one manifest version and return what is worth showing of it."""
    last = current.segments[-1].last
    first = max(current.segments[0].first, last - ANALYSED_BLOCKS + 1)
    files = _files(blobs, current.within(first, last), "statistics", "flows")
    feerates = sql.query(statistics.FEERATES_SQL.format(first=first), files)
    flows = sql.query(statistics.FLOWS_SQL.format(first=first), files)
    totals = {
        "manifest_version": current.version,
        "first": first,
        "last": last,
        "blocks": len(feerates),
        "payments": sum(row["payments"] for row in feerates),
        "fees_sat": sum(row["fees_sat"] for row in feerates),
    }
    blobs.put(ANALYSIS_KEY, orjson.dumps(totals | {"feerates": feerates, "flows": flows}))
    return totals


def _segment(batch: Batch) -> Segment:
    if batch.segment is None:
        raise Conflict(
            f"The batch at {batch.first} has not been collected.", next_step="Start stages from the state machine only."
        )
    return Segment(**batch.segment)


def _files(blobs: Blobs, segments: Sequence[Segment], *names: TableName) -> dict[str, list[Path]]:
    """Local files of these segments, by table."""
    return {name: [_file(blobs, segment.key(name)) for segment in segments] for name in names}


def _file(blobs: Blobs, key: str) -> Path:
    path = blobs.fetch(key)
    if path is None:
        raise Conflict(f"The file {key} is gone.", next_step="Start the run again to collect it.")
    return path
