"""A real bitcoind on this machine: found or fetched, and run on regtest for `isthmus up` and for tests."""

import base64
import contextlib
import fcntl
import functools
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.local.fetch_bitcoind import fetch_bitcoind, no_bitcoind
from isthmus.failure import Precondition, Refused, Unavailable, Upstream

# P2WSH of OP_TRUE (BIP 141): whoever wants to may spend what is mined here.
ANYONE_CAN_SPEND = "00204ae81572f06e1b88fd5ced7a1a000945432e83e1551e6f721ee9c00b8cc33260"

_START_DEADLINE_S = 90.0
_STOP_DEADLINE_S = 60.0
_PORTS_TRIED = 3
_WARMING_UP = -28  # bitcoin/src/rpc/protocol.h: RPC_IN_WARMUP

# In the order of bitcoind's own help. What this bitcoind does not know is left out: Core lacks some of Knots' options.
_OPTIONS = {
    "mempoolexpiry": "876000",  # hours: chains with dates of long ago keep their mempool
    "txindex": "1",
    "listen": "0",
    "listenonion": "0",
    "connect": "0",
    "dnsseed": "0",
    "natpmp": "0",
    "fallbackfee": "0.0001",
    "acceptstalefeeestimates": "1",
    "checkblockindex": "0",
    "checkmempool": "0",  # regtest checks the whole mempool at each transaction: quadratic
    "maxtipage": "3153600000",  # a chain with dates of long ago is not a node that is still syncing
    "printtoconsole": "0",
    "permitbaredatacarrier": "1",  # Knots refuses what Core relays: transactions that carry only data
    "permitbaremultisig": "1",
    "permitbarepubkey": "1",
    "blockmaxsize": "3996000",  # Knots mines 300 kB only
    "blockmaxweight": "3996000",
    "blockprioritysize": "0",  # Knots gives old coins a free ride
    "rest": "1",
    "rpcallowip": "127.0.0.1",
    "rpcbind": "127.0.0.1",
    "rpcworkqueue": "256",
    "server": "1",
}


def find_bitcoind(say: Callable[[str], None] = print) -> list[str]:
    """The argv prefix that runs bitcoind.

    `ISTHMUS_BITCOIND` first, then the PATH, then the cache (`$XDG_CACHE_HOME/isthmus/bitcoind`), which is filled with
    the machine's own apt when it is empty.

    Raises:
        Precondition: there is none and this machine cannot fetch one (`local/no-bitcoind`).
    """
    if given := os.environ.get("ISTHMUS_BITCOIND"):
        if found := shutil.which(given):
            return [found]
        raise no_bitcoind("ISTHMUS_BITCOIND does not name a program that can be run.")
    if found := shutil.which("bitcoind"):
        return [found]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return fetch_bitcoind(cache / "isthmus" / "bitcoind", say)


@dataclass(frozen=True)
class RegtestNode:
    """A running bitcoind on regtest.

    `url` carries no secrets; the cookie file holds `user:password` and is replaced at each start. The process is known
    when this program started it, and absent when a running node was adopted.
    """

    url: str
    cookie: Path
    pid: int
    datadir: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)
    guard: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    def rpc(self, method: str, *params: Any, deadline_s: float = 120.0) -> Any:
        """The result of one call; amounts are Decimal.

        Raises:
            Refused: the node's definite no, with its code.
            Unavailable: nobody answered in time, or the node is warming up.
        """
        return _result(_post(self, {"id": 0, "method": method, "params": params}, deadline_s))

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]], *, deadline_s: float = 600.0) -> list[Any]:
        """The results of many calls in order; the first refusal is raised after all were made."""
        asked = [{"id": place, "method": method, "params": params} for place, (method, params) in enumerate(calls)]
        answers = _post(self, asked, deadline_s) if asked else []
        return [_result(answer) for answer in sorted(answers, key=lambda answer: int(answer["id"]))]

    def mine(self, blocks: int = 1, *, script_pubkey: str = ANYONE_CAN_SPEND) -> list[str]:
        """Mine blocks from the mempool, paying to `script_pubkey` (hex); their hashes, lowest first."""
        hashes: list[str] = self.rpc("generatetodescriptor", blocks, f"raw({script_pubkey})", deadline_s=600.0)
        return hashes

    def stop(self, deadline_s: float = _STOP_DEADLINE_S) -> None:
        """End the node with its chain and mempool on the disk; one that does not end in time is ended by force."""
        self._release_guard()
        with contextlib.suppress(Refused, Unavailable):
            self.rpc("stop", deadline_s=deadline_s)
        for ask, patience_s in ((None, deadline_s), (signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
            if ask is not None:
                self._signal(ask)
            if self._ended_within(patience_s):
                return

    def kill(self) -> None:
        """End the node at once, as a power cut would: what was not flushed is lost."""
        self._release_guard()
        self._signal(signal.SIGKILL)
        self._ended_within(_STOP_DEADLINE_S)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            return
        if _locked(self.datadir):  # else the number may be another program's by now
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _ended_within(self, seconds: float) -> bool:
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
            return self.process.returncode is not None
        return _until(lambda: not _locked(self.datadir), seconds)

    def _release_guard(self) -> None:
        if self.guard is not None:
            self.guard.kill()
            self.guard.communicate()


def start_regtest(
    datadir: Path,
    *,
    options: Sequence[str] = (),
    rpc_port: int | None = None,
    outlive: bool = False,
    say: Callable[[str], None] = print,
) -> RegtestNode:
    """Start bitcoind on regtest, or adopt the one that runs on this folder already; the chain found there continues.

    It talks to 127.0.0.1 only, authenticates by cookie, has no peers, and serves REST and the transaction index.

    Args:
        datadir: its folder, made when it is not there.
        options: further options such as `-prune=1`; the later of two equal ones counts.
        rpc_port: the port; by default the one of the last start on this folder, or a free one.
        outlive: let it run on when this program ends. Otherwise it is stopped then, even after a crash.
        say: is told what takes time.

    Raises:
        Precondition: there is no bitcoind (`local/no-bitcoind`), or another one uses the folder (`local/node-running`).
        Unavailable: it ended, or did not answer in time (`local/node-failed`).
    """
    datadir = datadir.absolute()
    (datadir / "regtest").mkdir(parents=True, exist_ok=True)
    if running := running_regtest(datadir):
        return running
    argv = find_bitcoind(say)
    command = [*argv, "-regtest", f"-datadir={datadir}", *_accepted_options(tuple(argv)), *options]
    for _ in range(1 if rpc_port else _PORTS_TRIED):
        node = _launch(datadir, command, rpc_port or _port_for(datadir), outlive=outlive)
        if node is not None:
            return node
        if running := running_regtest(datadir):
            return running
    raise Unavailable(
        "bitcoind ended before it answered.",
        next_step=f"Read the end of {datadir / 'regtest/debug.log'} and of {datadir / 'bitcoind.err'}.",
        code="local/node-failed",
    )


def running_regtest(datadir: Path) -> RegtestNode | None:
    """The node that runs on this folder, if one does.

    Raises:
        Precondition: another program uses the folder (`local/node-running`).
    """
    return _adopt(datadir) if (datadir / "regtest").exists() and _locked(datadir) else None


def _launch(datadir: Path, command: Sequence[str], port: int, *, outlive: bool) -> RegtestNode | None:
    """One attempt; None when bitcoind ended, as it does when the port was taken in the meantime."""
    cookie = datadir / "regtest/.cookie"
    cookie.unlink(missing_ok=True)
    with (datadir / "bitcoind.err").open("wb") as errors:
        process = subprocess.Popen(
            [*command, f"-rpcport={port}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
    guard = None if outlive else _guard(process.pid)
    node = RegtestNode(f"http://127.0.0.1:{port}", cookie, process.pid, datadir, process, guard)
    (datadir / "node.json").write_text(json.dumps({"url": node.url, "pid": node.pid}))
    if not _until(lambda: process.poll() is not None or _ready(node), _START_DEADLINE_S):
        node.kill()
        return None
    if process.returncode is not None:
        node._release_guard()  # noqa: SLF001 - the same module
        return None
    return node


def _guard(pid: int) -> subprocess.Popen[bytes]:
    """A shell that ends bitcoind when this program is gone: the pipe between them closes, however it ended."""
    script = 'read -r _; kill -TERM "$1"'
    return subprocess.Popen(["/bin/sh", "-c", script, "sh", str(pid)], stdin=subprocess.PIPE, start_new_session=True)


def _adopt(datadir: Path) -> RegtestNode | None:
    """The node that runs on this folder, perhaps still starting; None when it ended, as after a killed starter."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        told = json.loads((datadir / "node.json").read_text())
        node = RegtestNode(told["url"], datadir / "regtest/.cookie", told["pid"], datadir)
        if _until(lambda: _ready(node) or not _locked(datadir), _START_DEADLINE_S):
            return node if _locked(datadir) else None
    raise Precondition(
        f"Another program uses the node's folder {datadir}, and it does not answer as a node that Isthmus started.",
        next_step="Stop that bitcoind, or choose another folder.",
        code="local/node-running",
    )


def _locked(datadir: Path) -> bool:
    """Whether a bitcoind runs on this folder: it holds a POSIX lock on `.lock` for as long as it lives."""
    with (datadir / "regtest/.lock").open("ab") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _port_for(datadir: Path) -> int:
    """The port of the last start on this folder when it is free, else any free one."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        last = urlsplit(json.loads((datadir / "node.json").read_text())["url"]).port or 0
        return _free_port(last)
    return _free_port(0)


def _free_port(wanted: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", wanted))
        port: int = probe.getsockname()[1]
        return port


@functools.cache
def _accepted_options(argv: tuple[str, ...]) -> list[str]:
    help_asked = [*argv, "-help", "-help-debug"]
    shown = subprocess.run(help_asked, capture_output=True, text=True, check=False, timeout=60).stdout
    known = set(re.findall(r"^ +-([a-z0-9]+)", shown, flags=re.MULTILINE))
    return [f"-{name}={value}" for name, value in _OPTIONS.items() if name in known]


def _ready(node: RegtestNode) -> bool:
    """Whether it answers and has its mempool and indexes back: it reads them after it began to answer."""
    try:
        mempool, indexes = node.batch([("getmempoolinfo", []), ("getindexinfo", [])], deadline_s=5.0)
    except (Unavailable, Refused):
        return False
    return bool(mempool["loaded"]) and all(index["synced"] for index in indexes.values())


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _post(node: RegtestNode, body: Any, deadline_s: float) -> Any:
    try:
        credentials = base64.b64encode(node.cookie.read_bytes()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(node.url).port, timeout=deadline_s)
        with contextlib.closing(connection):
            headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
            connection.request("POST", "/", json.dumps(body), headers)
            return json.loads(connection.getresponse().read(), parse_float=Decimal)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(
            "The regtest node does not answer.",
            next_step=f"See whether it runs; its log is {node.datadir / 'regtest/debug.log'}.",
            code="local/node-down",
        ) from error


def _result(answer: dict[str, Any]) -> Any:
    error = answer.get("error")
    if not error:
        return answer["result"]
    failure = Unavailable if error["code"] == _WARMING_UP else Refused
    raise failure(
        "The regtest node refused the call.",
        next_step="Look the code up in Bitcoin Core's rpc/protocol.h and in the node's log.",
        code="local/node-refused",
        upstream=Upstream("bitcoind", error["code"]),
    )
