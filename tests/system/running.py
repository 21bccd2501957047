"""The system as its users have it: its own processes, reached by the command line and over HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local import client
from infra.local.bitcoind import RegtestNode, start_regtest
from infra.local.home import Home
from infra.local.identity import load
from infra.local.signing import Signer

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class System:
    """One home folder, and the runtime that runs on it now and then."""

    home: Path
    environment: dict[str, str]
    port: int = 0

    def __post_init__(self) -> None:
        self.port = self.port or free_port()

    def isthmus(self, *words: str, timeout_s: float = 120, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "infra.local.cli", *words]
        environment = os.environ | self.environment
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"isthmus {' '.join(words)}: {done.stdout}{done.stderr}")
        return done

    def up(self) -> None:
        self.isthmus("up", "--port", str(self.port))

    def kill(self) -> None:
        """End the runtime's process as a power cut would; its workers notice by themselves."""
        os.kill(json.loads((self.home / "runtime.json").read_text())["pid"], signal.SIGKILL)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def signer(self) -> Signer:
        """The owner's requests."""
        home = Home(self.home)
        return Signer(self.url, load(home.owner), home.token)

    def send(
        self, method: str, path: str, body: bytes | str | None = None, *, signed: bool = True, **headers: str
    ) -> Answer:
        """Send a request, as the owner or with no other proof than the headers."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = body.encode() if isinstance(body, str) else body
        if signed:
            answer = self.signer.send(method, path, body=sent, headers=named)
        else:
            answer = client.send(self.url, method, path, body=sent, headers=named)
        return Answer(answer.status, answer.headers, answer.body)

    def get(self, path: str) -> Any:
        answer = self.send("GET", path)
        assert answer.status == 200, answer.body
        return answer.json

    def post(self, path: str, body: Any) -> Answer:
        return self.send("POST", path, json.dumps(body), content_type="application/json")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def system_in(home: Path, node: RegtestNode | None, **environment: str) -> System:
    """A system on a home folder in front of a node, or of none that answers; it is not up yet."""
    url = node.url if node else f"http://user:password@127.0.0.1:{free_port()}"
    cookie = {"ISTHMUS_BITCOIN_COOKIE": str(node.cookie)} if node else {}
    return System(home, {"ISTHMUS_HOME": str(home), "ISTHMUS_BITCOIN_URL": url} | cookie | environment)


@contextmanager
def running(**environment: str) -> Iterator[tuple[System, RegtestNode]]:
    """A system in front of a new node, for what is no test."""
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-") as folder:
        node = start_regtest(Path(folder, "node"))
        system = system_in(Path(folder, "home"), node, **environment)
        try:
            system.up()
            yield system, node
        finally:
            system.isthmus("down", check=False)
            node.kill()
