"""A funded wallet on a real node."""

from infra.local.bitcoind import ANYONE_CAN_SPEND, RegtestNode
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.bitcoin.spent import compact_size

MATURE = 101


def reached(node: RegtestNode) -> BitcoinCore:
    """The adapter on a node."""
    return BitcoinCore.from_environment({"ISTHMUS_BITCOIN_URL": node.url, "ISTHMUS_BITCOIN_COOKIE": str(node.cookie)})


def fund(node: RegtestNode, address: str, blocks: int = 1) -> None:
    """Mine mature coins to an address."""
    node.rpc("generatetoaddress", blocks, address)
    node.mine(MATURE)


def strange(node: RegtestNode, fee_sat: int = 1_000, script: str = ANYONE_CAN_SPEND) -> str:
    """A raw transaction of no wallet: it spends the newest mature coin, which anybody can spend."""
    height = node.rpc("getblockcount") - MATURE + 2
    txid = node.rpc("getblock", node.rpc("getblockhash", height), 1)["tx"][0]
    value = int(node.rpc("gettxout", txid, 0, False)["value"] * 100_000_000)
    spent = b"\x01" + bytes.fromhex(txid)[::-1] + bytes(4) + b"\0" + b"\xfd\xff\xff\xff"
    paid = b"\x01" + (value - fee_sat).to_bytes(8, "little") + compact_size(len(script) // 2) + bytes.fromhex(script)
    witness = b"\x01\x01\x51"  # one item: the script OP_TRUE
    return (b"\x02\0\0\0" + b"\x00\x01" + spent + paid + witness + bytes(4)).hex()


def stranger(node: RegtestNode, fee_sat: int = 1_000, script: str = ANYONE_CAN_SPEND) -> str:
    """Send a transaction of no wallet, in the place of one that spends the same and pays less; its txid."""
    sent: str = node.rpc("sendrawtransaction", strange(node, fee_sat, script), 0)
    return sent
