"""A funded wallet on a real node."""

from infra.local.bitcoind import RegtestNode
from isthmus.bitcoin.adapters.core import BitcoinCore

MATURE = 101


def reached(node: RegtestNode) -> BitcoinCore:
    """The adapter on a node."""
    return BitcoinCore.from_environment({"ISTHMUS_BITCOIN_URL": node.url, "ISTHMUS_BITCOIN_COOKIE": str(node.cookie)})


def fund(node: RegtestNode, address: str, blocks: int = 1) -> None:
    """Mine mature coins to an address."""
    node.rpc("generatetoaddress", blocks, address)
    node.mine(MATURE)
