"""`isthmus run`: the whole system on a real node, in this terminal: a node, a chain, the pipeline, the schedule."""

import argparse
import asyncio
import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from infra.local.bitcoind import RegtestNode, start_regtest
from infra.local.client import control
from infra.local.commands.pipeline import request, run_pipeline
from infra.local.demo_chain import build_chain, extend
from infra.local.home import Address, Home
from infra.local.identity import owner
from infra.local.runtime import claimed, serve
from infra.local.settings import settings_from
from infra.local.signing import Signer
from isthmus.failure import Failure, Unavailable

CHAIN_BLOCKS, CHAIN_TRANSACTIONS, CHAIN_SEED = 300, 20_000, 1
OWN_NODE_BLOCKS = 144
NEW_BLOCK_EVERY_S = 30.0
_POLL_S = 1.0
_INTERRUPTED = 130


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--port", type=int, help="the port of the HTTP API (default: ISTHMUS_PORT or 8080)")
    parser.add_argument("--once", action="store_true", help="stop when the pipeline has run")


def run(options: argparse.Namespace) -> int:
    """Run until Ctrl-C, or once; 1 when the pipeline did not store everything."""
    console = Console()
    settings = settings_from(os.environ, port=options.port)
    with claimed(settings) as public:
        owner(settings.home, lambda sentence: console.print(sentence, highlight=False))
        node = _lively_node(console, settings.home.bitcoin) if settings.node is None else None
        if node is not None:
            found = {"ISTHMUS_BITCOIN_URL": node.url, "ISTHMUS_BITCOIN_COOKIE": str(node.cookie)}
            settings = replace(settings, node=found)
        job = _Job(console, settings.home, node, once=options.once)
        try:
            with suppress(asyncio.CancelledError):  # Ctrl-C before it served
                asyncio.run(serve(settings, job.begin, public=public, leaving=job.stopping.set))
        finally:
            job.stopping.set()
            if node is not None:
                console.print("Stopping the node.")
                node.stop()
    if job.thread is not None:
        job.thread.join()
    if job.failure is not None:
        raise job.failure
    return _INTERRUPTED if job.complete is None else int(not job.complete)


def _lively_node(console: Console, datadir: Path) -> RegtestNode:
    """Our own node on regtest, with a chain worth looking at."""

    def say(sentence: str) -> None:
        console.print(f"  {sentence}", highlight=False)

    console.print("Starting bitcoind on regtest.")
    node = start_regtest(datadir, say=say)
    unfinished = datadir / "unfinished"
    if unfinished.exists():
        console.print("The chain was left unfinished: it is built anew.")
        node.stop()
        shutil.rmtree(datadir)
        node = start_regtest(datadir, say=say)
    height = node.rpc("getblockcount")
    if height == 0:
        console.print(f"Building a lively chain: {CHAIN_BLOCKS} blocks, {CHAIN_TRANSACTIONS:,} transactions.")
        unfinished.touch()
        facts = build_chain(node, blocks=CHAIN_BLOCKS, transactions=CHAIN_TRANSACTIONS, seed=CHAIN_SEED, say=say)
        unfinished.unlink()
        height = facts.height
    console.print(f"The chain is {height + 1} blocks long.")
    return node


@dataclass
class _Job:
    """What happens beside the serving: from the first answer on, until it is done or fails; then it ends the system."""

    console: Console
    home: Home
    node: RegtestNode | None
    once: bool
    stopping: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    complete: bool | None = None
    failure: Failure | None = None

    def begin(self, address: Address) -> None:
        """Start in a thread of its own, because the runtime has this one."""
        self.thread = threading.Thread(target=self._guarded, args=(address,), name="main job")
        self.thread.start()

    def _guarded(self, address: Address) -> None:
        try:
            self._work(address)
        except Failure as failure:
            self.failure = None if self.stopping.is_set() else failure
        finally:
            if not self.stopping.is_set():
                with suppress(Unavailable):
                    control(address, "POST", "/stop")

    def _work(self, address: Address) -> None:
        url = address.url
        self.console.print(f"Isthmus serves {url}.")
        system = Signer(url, owner(self.home), self.home.token)
        first = 0 if self.node else max(0, request(system, "/v1/bitcoin/chain")["height"] - OWN_NODE_BLOCKS + 1)
        self.complete = run_pipeline(self.console, system, first, None)
        if not self.once:
            self.console.print(_NEXT.format(url=url), highlight=False, markup=False, soft_wrap=True)
            self.console.print("The schedule looks for new blocks every minute. Ctrl-C ends it.\n")
            self._follow(system)

    def _follow(self, system: Signer) -> None:
        """Report each run that the schedule makes; on our own node, mine a block now and then."""
        seen = request(system, "/v1/pipeline/runs?limit=1")["runs"][0]["run_id"]
        mine = _every(NEW_BLOCK_EVERY_S)
        while not self.stopping.wait(_POLL_S):
            if self.node is not None and mine():
                extend(self.node)
            newest = request(system, "/v1/pipeline/runs?limit=1")["runs"][0]
            if newest["run_id"] != seen and newest["status"] != "running":
                seen = newest["run_id"]
                run = request(system, f"/v1/pipeline/runs/{seen}")
                found = f"{run['batches']} new segments, {run['transactions']} transactions, up to block {run['last']}"
                self.console.print(f"{time.strftime('%H:%M:%S')} {found}: {run['status']}")


def _every(seconds: float) -> Callable[[], bool]:
    """A question that is answered yes once in so many seconds."""
    last = time.monotonic()

    def due() -> bool:
        nonlocal last
        if time.monotonic() - last < seconds:
            return False
        last = time.monotonic()
        return True

    return due


_NEXT = """\
Where to look next, in another terminal:
  .venv/bin/isthmus call get_analysis --blocks 3       the feerates and flows as JSON
  .venv/bin/isthmus call get_block --height 5          any block
  .venv/bin/isthmus call estimate_fee --blocks 6       what a payment should pay
  .venv/bin/isthmus status                             functions, schedules, executions
  curl {url}/v1/openapi.json           every operation there is
"""
