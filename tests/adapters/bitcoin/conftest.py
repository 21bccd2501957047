"""Nodes that lie, and the adapter connected to them."""

import ssl
import threading
from collections.abc import Callable, Iterator

import pytest

from isthmus.bitcoin.adapters.core import BitcoinCore
from tests.adapters.bitcoin.lying_node import Act, LyingNode, Serve


@pytest.fixture
def lying() -> Iterator[Serve]:
    """Start nodes that lie: `lying(*acts, tls=None)`; they end with the test."""
    nodes: list[tuple[LyingNode, threading.Thread]] = []

    def serve(*acts: Act, tls: ssl.SSLContext | None = None) -> LyingNode:
        node = LyingNode(*acts)
        if tls is not None:
            node.socket = tls.wrap_socket(node.socket, server_side=True)
        thread = threading.Thread(target=node.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        nodes.append((node, thread))
        return node

    yield serve
    for node, thread in nodes:
        node.released.set()
        node.shutdown()
        node.server_close()
        thread.join()


@pytest.fixture
def connect() -> Iterator[Callable[..., BitcoinCore]]:
    """Connect to a node: `connect(url, cookie=..., ca=...)`; answers above 1 MiB are too long for it."""
    adapters: list[BitcoinCore] = []

    def build(url: str, **environ: str) -> BitcoinCore:
        named = {f"ISTHMUS_BITCOIN_{name.upper()}": value for name, value in environ.items()}
        adapter = BitcoinCore.from_environment({"ISTHMUS_BITCOIN_URL": url} | named)
        adapter._max_reply_bytes = 1 << 20
        adapters.append(adapter)
        return adapter

    yield build
    for adapter in adapters:
        adapter.close()
