"""What every test may ask for; what needs a real bitcoind is marked `node`."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.local.bitcoind import RegtestNode, find_bitcoind, start_regtest
from infra.local.demo_chain import ChainFacts, build_chain
from isthmus.failure import Failure

FreshNode = Callable[..., RegtestNode]


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of published test vectors and real data."""
    folder = Path(os.environ.get("ISTHMUS_VECTORS") or Path(__file__).parents[2] / "shared" / "vectors")
    if not folder.is_dir():
        pytest.skip(f"there are no vectors in {folder}; set ISTHMUS_VECTORS to their folder")
    return folder


@pytest.fixture(scope="session")
def bitcoind() -> list[str]:
    """The argv prefix that runs bitcoind, fetched once per machine."""
    try:
        return find_bitcoind()
    except Failure as failure:
        pytest.skip(str(failure))


@pytest.fixture(scope="session")
def nodes(bitcoind: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreshNode]:
    """Start nodes that live as long as the session."""
    with _starting_nodes(tmp_path_factory) as start:
        yield start


@pytest.fixture
def fresh_node(bitcoind: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreshNode]:
    """Start a node of one's own: `fresh_node(blocks=0, options=(), datadir=None)`; it ends with the test.

    For tests that reorganise, restart or kill. A given `datadir` continues the chain that is there.
    """
    with _starting_nodes(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="session")
def node(nodes: FreshNode) -> RegtestNode:
    """One node for everybody, with 120 blocks. Tests may add to its chain, but never reorganise or stop it."""
    return nodes(blocks=120)


@pytest.fixture(scope="session")
def lively(nodes: FreshNode) -> tuple[RegtestNode, ChainFacts]:
    """A node with 40 lively blocks over some hundred plain ones: 600 transactions of every kind, 300 more wait."""
    node = nodes()
    return node, build_chain(node, blocks=40, transactions=600, seed=1)


@pytest.fixture(scope="session")
def lively_node(lively: tuple[RegtestNode, ChainFacts]) -> RegtestNode:
    """The lively chain's node. Tests may read and add, but never reorganise, stop, or mine what waits."""
    return lively[0]


@pytest.fixture(scope="session")
def lively_facts(lively: tuple[RegtestNode, ChainFacts]) -> ChainFacts:
    """What the lively chain holds, known from building it and not from asking the node."""
    return lively[1]


@contextmanager
def _starting_nodes(folders: pytest.TempPathFactory) -> Iterator[FreshNode]:
    started: list[RegtestNode] = []

    def start(blocks: int = 0, options: Sequence[str] = (), datadir: Path | None = None) -> RegtestNode:
        started.append(start_regtest(datadir or folders.mktemp("node"), options=options))
        if blocks:
            started[-1].mine(blocks)
        return started[-1]

    try:
        yield start
    finally:
        for node in started:
            node.kill()
