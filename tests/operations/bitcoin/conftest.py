"""The adapter on the lively node and on everybody's node, and a sender of transactions that anyone may send."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from infra.local.bitcoind import ANYONE_CAN_SPEND, RegtestNode
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.bitcoin.spent import compact_size

FreshNode = Callable[..., RegtestNode]
Reach = Callable[[RegtestNode], BitcoinCore]
Send = Callable[..., str]


@pytest.fixture
def reach() -> Iterator[Reach]:
    """The adapter on a node."""
    adapters: list[BitcoinCore] = []

    def build(node: RegtestNode) -> BitcoinCore:
        environ = {"ISTHMUS_BITCOIN_URL": node.url, "ISTHMUS_BITCOIN_COOKIE": str(node.cookie)}
        adapters.append(BitcoinCore.from_environment(environ))
        return adapters[-1]

    yield build
    for adapter in adapters:
        adapter.close()


@pytest.fixture
def lively_bitcoin(reach: Reach, lively_node: RegtestNode) -> BitcoinCore:
    """The adapter on the lively node."""
    return reach(lively_node)


@pytest.fixture
def bitcoin(reach: Reach, node: RegtestNode) -> BitcoinCore:
    """The adapter on everybody's node."""
    return reach(node)


@pytest.fixture
def send() -> Send:
    """Spend a mature coinbase: `send(node, fee_sat, outputs=((value_sat, script), ...))` gives the txid.

    What the outputs and the fee leave goes to an output that anyone can spend.
    """

    def spend(node: RegtestNode, fee_sat: int, outputs: Sequence[tuple[int, bytes]] = ()) -> str:
        txid, value_sat = _mature_coin(node)
        change = value_sat - fee_sat - sum(value for value, _ in outputs)
        made = [*outputs, (change, bytes.fromhex(ANYONE_CAN_SPEND))]
        inputs = b"\x01" + bytes.fromhex(txid)[::-1] + bytes(4) + b"\x00" + b"\xfd\xff\xff\xff"
        paid = b"".join(value.to_bytes(8, "little") + compact_size(len(script)) + script for value, script in made)
        witness = b"\x01\x01\x51"  # one item: the script OP_TRUE
        raw = b"\x02\0\0\0" + b"\x00\x01" + inputs + compact_size(len(made)) + paid + witness + bytes(4)
        sent: str = node.rpc("sendrawtransaction", raw.hex(), 0, 21_000_000)
        return sent

    return spend


def _mature_coin(node: RegtestNode) -> tuple[str, int]:
    for height in range(1, node.rpc("getblockcount") - 99):
        txid = node.rpc("getblock", node.rpc("getblockhash", height), 1)["tx"][0]
        coin = node.rpc("gettxout", txid, 0)
        if coin is not None and coin["scriptPubKey"]["hex"] == ANYONE_CAN_SPEND:
            return txid, int(coin["value"] * 100_000_000)
    node.mine(20)
    return _mature_coin(node)
