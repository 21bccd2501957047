"""What a node has seen of a transaction: waiting, mined, or of whom its coins are."""

from typing import Any

from isthmus.bitcoin.coins import node_outpoint
from isthmus.bitcoin.views import undocumented
from isthmus.bitcoin.wallets import wallet_call
from isthmus.failure import NotFound
from isthmus.ports import BitcoinNode

MAX_OUTPUTS = 100
"""How many outputs are asked after."""


def waits(node: BitcoinNode, txid: str) -> bool:
    """Whether the node's mempool has it."""
    try:
        entry = node.call("getmempoolentry", txid)
    except NotFound:
        return False
    if not isinstance(entry, dict) or "wtxid" not in entry:
        raise undocumented()
    return True


def confirmations(node: BitcoinNode, wallet: str, txid: str) -> int | None:
    """How many blocks have it under them, below 0 when they exclude it.

    Args:
        node: the node.
        wallet: the node's name of the wallet whose transactions are searched; "" for the mempool, and all blocks if the
            node has an index (txindex=1).
        txid: which.

    Returns:
        None when it is not there.

    Raises:
        NotFound: there is no such wallet.
    """
    try:
        known: Any = (
            wallet_call(node, wallet, "gettransaction", txid) if wallet else node.call("getrawtransaction", txid, True)
        )
    except NotFound as failure:
        if failure.code == "bitcoin/no-wallet":
            raise
        return None
    number = known.get("confirmations", 0) if isinstance(known, dict) and known.get("txid") == txid else None
    if isinstance(number, bool) or not isinstance(number, int):
        raise undocumented()
    return number


def mined(node: BitcoinNode, wallet: str, txid: str, outputs: int) -> bool | None:
    """Whether the chain has it, of which the wallet may know nothing; None when the node cannot tell, without an index.

    Args:
        node: the node.
        wallet: of which it may be; or "".
        txid: which.
        outputs: how many it has; one that is unspent shows it to be there.
    """
    for one in dict.fromkeys((wallet, "")):
        deep = confirmations(node, one, txid)
        if deep is not None and deep != 0:
            return deep > 0
    if any(node.call("gettxout", txid, index, False) is not None for index in range(min(outputs, MAX_OUTPUTS))):
        return True
    indexes = node.call("getindexinfo", "txindex")
    if not isinstance(indexes, dict) or not isinstance(about := indexes.get("txindex", {}), dict):
        raise undocumented()
    return False if about.get("synced") is True else None


def decided(node: BitcoinNode, coin: str) -> bool:
    """Whether a block spends the coin, or excludes what makes it.

    A coin that is neither there nor unspent says nothing as long as what makes it still waits.
    """
    named = node_outpoint(coin)
    if node.call("gettxout", named["txid"], named["vout"], False) is not None:
        return False
    wallets = node.call("listwallets")
    if not isinstance(wallets, list):
        raise undocumented()
    return any(confirmations(node, str(wallet), named["txid"]) for wallet in wallets)
