"""The collector against bitcoin-etl on the same node in the same run, and against the node's own limit.

Both read the same blocks of a regtest chain: 300 light ones of about 200 transactions, and 20 heavy ones of about
3,000. Ours is the collect stage itself: it fetches, reads, and durably stores Parquet with fees, one process per
core as the state machine's Map runs it. Theirs writes JSON lines without fees, with the best of 1, 2 and 5 workers.
Rates are wall time, the best of some rounds for ours; `_cpu_ratio` compares the CPU seconds of client and node
together.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infra.local.bitcoind import RegtestNode, start_regtest
from infra.local.demo_chain import build_chain
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.clock import SystemClock
from isthmus.pipeline import planning, runs, stages
from isthmus.pipeline.adapters.duckdb import DuckDb
from isthmus.pipeline.segments import Segment
from isthmus.storage.adapters.files import FileBlobs
from isthmus.storage.adapters.sqlite import SqliteTable

ROOT = Path(__file__).parents[2]
ROUNDS = 3
PROCESSES = os.cpu_count() or 1
SHAPES = {"light": (340, 68_000, 144), "heavy": (30, 90_000, 12)}
SETTLED = 144  # empty blocks on top, so that the measured ones are cut as in a backfill


@dataclass(frozen=True)
class Rate:
    """Seconds for a number of transactions: on the clock, and of CPU in client and node."""

    transactions: int
    wall_s: float
    cpu_s: float

    @property
    def per_second(self) -> float:
        return self.transactions / self.wall_s


def measure() -> dict[str, tuple[float, str]]:
    """All ratios, and the bytes per stored transaction."""
    figures: dict[str, tuple[float, str]] = {}
    stored_bytes = stored = 0
    for shape, (blocks, transactions, aligned) in SHAPES.items():
        with chain_of(blocks, transactions, aligned) as (node, first, last):
            ours, used = best(partial(collect, node, first, last))
            theirs = peer(node, first, last)
            limit, _ = best(partial(fetch_only, node, first, last, ours.transactions))
            stored_bytes, stored = stored_bytes + used, stored + ours.transactions
        figures |= {
            f"collect_{shape}_tx_per_s": (round(ours.per_second), "tx/s"),
            f"collect_{shape}_peer_tx_per_s": (round(theirs.per_second), "tx/s"),
            f"collect_{shape}_ratio": (round(ours.per_second / theirs.per_second, 2), "x"),
            f"collect_{shape}_cpu_ratio": (round(theirs.cpu_s / ours.cpu_s, 2), "x"),
            f"collect_{shape}_limit_share": (round(ours.per_second / limit.per_second, 3), "share"),
        }
    figures["collect_limit_share"] = figures["collect_heavy_limit_share"]
    figures["bytes_per_tx"] = (round(stored_bytes / stored, 2), "bytes")
    return figures


@contextmanager
def chain_of(blocks: int, transactions: int, aligned: int) -> Iterator[tuple[RegtestNode, int, int]]:
    """A node with a chain of this shape, and the heights of its lively blocks."""
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-") as folder:
        node = start_regtest(Path(folder, "node"))
        try:
            facts = build_chain(node, blocks=blocks, transactions=transactions, seed=3)
            for _ in range(SETTLED):
                node.rpc("generateblock", "raw(51)", [])
            first = -(-(facts.height - blocks + 1) // aligned) * aligned
            yield node, first, (facts.height + 1) // aligned * aligned - 1
        finally:
            node.kill()


def best(measured: Callable[[], tuple[Rate, int]]) -> tuple[Rate, int]:
    """The quickest of some rounds."""
    return min((measured() for _ in range(ROUNDS)), key=lambda one: one[0].wall_s)


class NoExecutions:
    """Nothing is to be started: the batches are run here."""

    def start(self, machine: str, name: str, payload: object) -> bool:
        return True

    def status(self, machine: str, name: str) -> str | None:
        return "RUNNING"


def collect(node: RegtestNode, first: int, last: int) -> tuple[Rate, int]:
    """The collect stage over these heights into empty embedded stores; also the bytes that it stored."""
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-") as folder:
        desk = Desk(Path(folder), node)
        chain = planning.look_at(desk.node)
        plan = planning.plan(desk.node, chain, None, (first, last), follow=False)
        run = runs.start(desk.table, NoExecutions(), SystemClock(), chain, plan)
        starts = [window.first for window in sorted(plan.batches, key=lambda window: window.first - window.last)]
        with ProcessPoolExecutor(PROCESSES, initializer=sit_down, initargs=(Path(folder), node)) as pool:
            list(pool.map(time.sleep, [0.5] * PROCESSES))  # so that every process has started
            with timed(node, pool) as spent:
                segments = list(pool.map(collect_batch, [run.run_id] * len(starts), starts))
        return Rate(sum(s.transactions for s in segments), *spent), sum(s.bytes for s in segments)


class Desk:
    """The adapters of one process."""

    def __init__(self, folder: Path, node: RegtestNode) -> None:
        self.table, self.blobs, self.sql = SqliteTable(folder / "table.sqlite"), FileBlobs(folder / "blobs"), DuckDb()
        self.node = core(node)


desks: list[Desk] = []


def sit_down(folder: Path, node: RegtestNode) -> None:
    """Start a process as a warm Lambda is: with its libraries imported and its connections made."""
    desks.append(Desk(folder, node))
    desks[-1].sql.encode({"height": [0]})
    desks[-1].node.call("getblockcount")


def collect_batch(run_id: str, first: int) -> Segment:
    desk = desks[-1]
    return stages._segment(stages.collect(desk.table, desk.blobs, desk.node, desk.sql, run_id, first))


def core(node: RegtestNode) -> BitcoinCore:
    return BitcoinCore.from_environment({"ISTHMUS_BITCOIN_URL": node.url, "ISTHMUS_BITCOIN_COOKIE": str(node.cookie)})


def peer(node: RegtestNode, first: int, last: int) -> Rate:
    """bitcoin-etl's export of the same blocks with the best number of workers, its start not counted."""
    start = min((export(node, first, first, 1) for _ in range(ROUNDS)), key=lambda rate: rate.wall_s)
    whole = min((export(node, first, last, workers) for workers in (1, 2, 5)), key=lambda rate: rate.wall_s)
    return Rate(whole.transactions - start.transactions, whole.wall_s - start.wall_s, whole.cpu_s - start.cpu_s)


def export(node: RegtestNode, first: int, last: int, workers: int) -> Rate:
    """One run of bitcoin-etl's command."""
    user, password = node.cookie.read_text().strip().split(":")
    uri = node.url.replace("://", f"://{user}:{password}@")
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-") as folder:
        output = Path(folder, "transactions.json")
        command = [str(peers() / "bitcoinetl"), "export_blocks_and_transactions", "-s", str(first), "-e", str(last)]
        options = ["-p", uri, "-w", str(workers), "--blocks-output", str(Path(folder, "blocks.json"))]
        with timed(node) as spent:
            subprocess.run([*command, *options, "--transactions-output", str(output)], check=True, capture_output=True)
        with output.open() as lines:
            return Rate(sum(1 for _ in lines), *spent)


def peers() -> Path:
    """The folder of bitcoin-etl's command, in an environment of its own."""
    home = ROOT / "build" / "peers"
    python = str(home / "bin" / "python")
    if not (home / "bin" / "bitcoinetl").exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--require-hashes"]
        subprocess.run([*install, "-r", str(ROOT / "requirements" / "bootstrap.txt")], check=True)
        locked = str(ROOT / "requirements" / "peers.txt")
        subprocess.run([*install, "--no-build-isolation", "-r", locked], check=True)
    return home / "bin"


def fetch_only(node: RegtestNode, first: int, last: int, transactions: int) -> tuple[Rate, int]:
    """The node's own limit: both binary resources of every block over the same connections, nothing read."""
    client = core(node)
    with timed(node) as spent:
        hashes = client.batch("getblockhash", [(height,) for height in range(first, last + 1)])
        with ThreadPoolExecutor(stages.FETCHERS) as pool:
            for _ in pool.map(lambda name: (client.raw_block(name), client.spent_outputs(name)), hashes):
                pass
    return Rate(transactions, *spent), 0


@contextmanager
def timed(node: RegtestNode, pool: ProcessPoolExecutor | None = None) -> Iterator[list[float]]:
    """Wall seconds, and CPU seconds of this process, its children and the node; filled in at the end."""
    spent: list[float] = []
    others = [node.pid, *(pool._processes if pool else ())]
    wall, cpu = time.perf_counter(), cpu_seconds(others)
    yield spent
    spent += [time.perf_counter() - wall, cpu_seconds(others) - cpu]


def cpu_seconds(others: Sequence[int]) -> float:
    """CPU seconds so far of this process, its finished children and some other processes."""
    total = sum(os.times()[:4])
    for pid in others:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


if __name__ == "__main__":
    for name, (value, unit) in measure().items():
        print(name, value, unit)
