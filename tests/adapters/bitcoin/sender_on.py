"""Somebody else on a real node, who pays, and thinks better of it."""

from typing import Any

from infra.local.bitcoind import RegtestNode
from isthmus.bitcoin.amounts import btc, sat_from_btc
from tests.adapters.bitcoin.wallets_on import fund, reached

SENDER = "somebody"


def sender_on(node: RegtestNode, coins: int) -> None:
    """Somebody else has a wallet with so many mature coins."""
    there: Any = reached(node)
    there.call("createwallet", SENDER)
    fund(node, there.call("getnewaddress", wallet=SENDER), coins)


def seen(node: Any) -> None:
    """Wallets have seen what the mempool and the chain have."""
    node.call("syncwithvalidationinterfacequeue")


def received(node: Any, address: str, *, sat: int = 100_000, feerate: str = "1", **options: Any) -> str:
    """The txid of what somebody has sent to an address, at so many sat/vB."""
    paid, options = [{address: btc(sat)}], {"fee_rate": feerate} | options
    txid = str(node.call("send", paid, None, "unset", None, options, wallet=SENDER)["txid"])
    seen(node)
    return txid


def rival(node: Any, txid: str) -> str:
    """What its sender replaces a transaction by: it pays nobody but himself, and more than all that goes with it."""
    spent = [place(one) for one in node.call("getrawtransaction", txid, True)["vin"]]
    worth = sum(node.call("getrawtransaction", one["txid"], True)["vout"][one["vout"]]["value"] for one in spent)
    home = node.call("getnewaddress", wallet=SENDER)
    raw = node.call("createrawtransaction", spent, [{home: btc(sat_from_btc(worth) - 100_000)}])
    signed = node.call("signrawtransactionwithwallet", raw, wallet=SENDER)["hex"]
    replaced = str(node.call("sendrawtransaction", signed, 0))
    seen(node)
    return replaced


def place(coin: Any) -> dict[str, Any]:
    """The node's notation of where a coin is."""
    return {"txid": coin["txid"], "vout": coin["vout"]}
