"""The system, for the tests that need one."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from infra.local.bitcoind import RegtestNode
from tests.system.running import System, system_in


@contextmanager
def starting(folders: pytest.TempPathFactory) -> Iterator[Callable[..., System]]:
    started: list[System] = []

    def start(node: RegtestNode | None, **environment: str) -> System:
        system = system_in(folders.mktemp("home"), node, **environment)
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
    system = system_in(tmp_path_factory.mktemp("home"), lively_node)
    system.up()
    yield system
    system.isthmus("down", check=False)
