"""A call over local HTTP: gateway, authorizer, worker process, operation, and a real node behind it."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from infra.local.bitcoind import RegtestNode, start_regtest
from infra.local.home import Home
from infra.local.identity import load
from infra.local.signing import Signer
from isthmus.access import proving

ROOT = Path(__file__).parents[2]
CALLS = 500
WARM_UP = 50
PATHS = {"local_http_p50_ms": "/v1/bitcoin/block?height=5", "local_http_no_node_p50_ms": "/v1/pipeline/runs"}


def measure() -> dict[str, tuple[float, str]]:
    """Medians in milliseconds over one kept connection, one call after the other."""
    with running() as (signer, node):
        node.mine(10)
        return {name: (round(p50(signer, path), 2), "ms") for name, path in PATHS.items()}


@contextmanager
def running(**more: str) -> Iterator[tuple[Signer, RegtestNode]]:
    """A system in front of a new node: its owner's requests, and the node."""
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-") as folder:
        node = start_regtest(Path(folder, "node"))
        home = Path(folder, "home")
        environment = (
            os.environ
            | more
            | {
                "ISTHMUS_HOME": str(home),
                "ISTHMUS_BITCOIN_URL": node.url,
                "ISTHMUS_BITCOIN_COOKIE": str(node.cookie),
            }
        )
        command = [sys.executable, "-m", "infra.local.cli"]
        subprocess.run([*command, "up", "--port", "0"], env=environment, cwd=ROOT, check=True, capture_output=True)
        try:
            url = json.loads((home / "runtime.json").read_text())["url"]
            yield Signer(url, load(Home(home).owner), Home(home).token), node
        finally:
            subprocess.run([*command, "down"], env=environment, cwd=ROOT, check=True, capture_output=True)
            node.kill()


def p50(signer: Signer, path: str) -> float:
    """The median milliseconds of a GET with a token and a DPoP proof of its own, from sending it to its last byte."""
    connection = HTTPConnection(signer.url.removeprefix("http://"))
    token = signer.token()
    taken = []
    for _ in range(WARM_UP + CALLS):
        url, now_s = signer.url + path.partition("?")[0], int(time.time())
        proof = proving.dpop(signer.identity, "GET", url, now_s, token)
        started = time.perf_counter()
        connection.request("GET", path, headers={"authorization": f"DPoP {token}", "dpop": proof})
        response = connection.getresponse()
        body = response.read()
        taken.append((time.perf_counter() - started) * 1000)
        assert response.status == 200, body
    connection.close()
    return median(taken[WARM_UP:])
