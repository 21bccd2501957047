"""Wallets: the node's own descriptor wallets, one name space for each tenant.

Source: Bitcoin Core's wallet RPC, descriptor wallets (doc/managing-wallets.md).
"""

from typing import Any

from isthmus.bitcoin import codes
from isthmus.failure import Conflict, Failure, NotFound, Unknown, Upstream
from isthmus.ports import BitcoinNode

WALLET_NAME = r"^[a-z0-9][a-z0-9-]{0,39}$"
_PREFIX = "isthmus"
_NOT_LOADED = -18
_LOADED_ALREADY = -35
_EXISTS = frozenset({-4, -36})


def node_wallet(tenant: str, name: str) -> str:
    """What the node calls the wallet; names have no dot, so that two tenants' never meet."""
    return f"{_PREFIX}.{tenant}.{name}"


def wallet_call(node: BitcoinNode, wallet: str, method: str, *params: Any) -> Any:
    """The result of a wallet's method; a wallet that the node has not loaded since it started is loaded first.

    Raises:
        NotFound: there is no such wallet.
        Failure: whatever the method refuses.
    """
    try:
        return node.call(method, *params, wallet=wallet)
    except Failure as failure:
        if failure.upstream != Upstream("bitcoin", _NOT_LOADED):
            raise
    _load(node, wallet)
    return node.call(method, *params, wallet=wallet)


def make_wallet(node: BitcoinNode, wallet: str, *, private_keys: bool) -> None:
    """A new descriptor wallet, loaded again whenever the node starts; without private keys it only watches.

    Raises:
        Conflict: there is one of this name.
    """
    try:
        node.call("createwallet", wallet, not private_keys, not private_keys, "", False, True, True)
    except Unknown:
        raise codes.failure(codes.TRANSPORT["timeout"]) from None  # making it again finds it
    except Failure as failure:
        if failure.upstream is not None and failure.upstream.code in _EXISTS:
            raise Conflict(
                "There is a wallet of this name already.",
                next_step="Use it, or choose another name.",
                code="bitcoin/wallet-exists",
            ) from None
        raise


def no_wallet() -> NotFound:
    """There is none, or it is another tenant's: nobody can tell which."""
    return NotFound("There is no such wallet.", next_step="Create it, or check its name.", code="bitcoin/no-wallet")


def _load(node: BitcoinNode, wallet: str) -> None:
    known = node.call("listwalletdir")
    if not isinstance(known, dict) or wallet not in {one.get("name") for one in known.get("wallets", [])}:
        raise no_wallet()
    try:
        node.call("loadwallet", wallet, True)
    except Failure as failure:
        if failure.upstream != Upstream("bitcoin", _LOADED_ALREADY):
            raise
