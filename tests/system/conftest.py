"""The system as its users have it: its own processes, reached by the command line and over HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.local import client
from infra.local.bitcoind import RegtestNode
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


@contextmanager
def starting(folders: pytest.TempPathFactory) -> Iterator[Callable[..., System]]:
    started: list[System] = []

    def start(node: RegtestNode | None, **environment: str) -> System:
        home = folders.mktemp("home")
        url = node.url if node else f"http://user:password@127.0.0.1:{free_port()}"
        cookie = {"ISTHMUS_BITCOIN_COOKIE": str(node.cookie)} if node else {}
        system = System(home, {"ISTHMUS_HOME": str(home), "ISTHMUS_BITCOIN_URL": url} | cookie | environment)
        started.append(system)
        system.up()
        return system

    try:
        yield start
    finally:
        for system in started:
            with suppress(subprocess.TimeoutExpired):
                system.isthmus("down", check=False)


@pytest.fixture
def system_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., System]]:
    """Start a system in front of a node: `system_on(node)`, or of none that answers: `system_on(None)`."""
    with starting(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One system for the tests of a module, in front of no node."""
    with starting(tmp_path_factory) as start:
        yield start(None)


@pytest.fixture(scope="module")
def own_lively_system(lively_node: RegtestNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One system for the tests of a module, in front of the lively chain; they may do to it what they want."""
    with starting(tmp_path_factory) as start:
        yield start(lively_node)


@pytest.fixture(scope="session")
def lively_system(lively_node: RegtestNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One system for everybody, in front of the lively chain; tests may call it, but neither stop it nor start runs."""
    home = tmp_path_factory.mktemp("home")
    environment = {"ISTHMUS_BITCOIN_URL": lively_node.url, "ISTHMUS_BITCOIN_COOKIE": str(lively_node.cookie)}
    system = System(home, {"ISTHMUS_HOME": str(home)} | environment)
    system.up()
    yield system
    system.isthmus("down", check=False)
