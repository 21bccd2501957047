"""Wallets: the node's own descriptor wallets, one name space for each tenant.

Source: Bitcoin Core's wallet RPC, descriptor wallets (doc/managing-wallets.md).
"""

from typing import Any

from pydantic import BaseModel

from isthmus.bitcoin.views import read, undocumented
from isthmus.failure import Conflict, Failure, Limited, NotFound, Upstream
from isthmus.ports import BitcoinNode

WALLET_NAME = r"^[a-z0-9][a-z0-9-]{0,39}$"
MAX_WALLETS = 100
"""Of one tenant: the node keeps each of them in memory."""

_PREFIX = "isthmus"
_NOT_LOADED = -18
_LOADED_ALREADY = -35
_EXISTS = frozenset({-4, -36})


class _Info(BaseModel):
    private_keys_enabled: bool


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


def make_wallet(node: BitcoinNode, tenant: str, name: str, *, watch_only: bool) -> None:
    """A new descriptor wallet, loaded again whenever the node starts; nothing when there is just that wallet already.

    Raises:
        Conflict: there is one of this name and of the other kind.
        Limited: the tenant has as many wallets as it may have.
    """
    wallet, known = node_wallet(tenant, name), _known(node)
    if wallet not in known:
        if sum(one.startswith(node_wallet(tenant, "")) for one in known) >= MAX_WALLETS:
            raise Limited(
                f"There are {MAX_WALLETS} wallets, and no more are made.",
                next_step="Use a wallet that is there; addresses and labels keep payments apart as well.",
                code="bitcoin/too-many-wallets",
            )
        try:
            node.call("createwallet", wallet, watch_only, watch_only, "", False, True, True)
        except Failure as failure:
            if failure.upstream is None or failure.upstream.code not in _EXISTS or wallet not in _known(node):
                raise
        else:
            return
    if watches_only(node, wallet) != watch_only:
        raise Conflict(
            "There is a wallet of this name already, and it is of the other kind.",
            next_step="Use it, or choose another name.",
            code="bitcoin/wallet-exists",
        )


def watches_only(node: BitcoinNode, wallet: str) -> bool:
    """Whether the wallet has no private keys.

    Raises:
        NotFound: there is no such wallet.
    """
    return not read(_Info, wallet_call(node, wallet, "getwalletinfo")).private_keys_enabled


def no_wallet() -> NotFound:
    """There is none, or it is another tenant's: nobody can tell which."""
    return NotFound("There is no such wallet.", next_step="Create it, or check its name.", code="bitcoin/no-wallet")


def all_wallets(node: BitcoinNode) -> list[tuple[str, str, str]]:
    """Every wallet of every tenant: tenant, name, and what the node calls it."""
    parts = ((one.split("."), one) for one in sorted(_known(node)))
    return [
        (split[1], split[2], one) for split, one in parts if len(split) == len(("", "", "")) and split[0] == _PREFIX
    ]


def _known(node: BitcoinNode) -> set[str]:
    """The wallets that the node has, loaded or not."""
    reply = node.call("listwalletdir")
    if not isinstance(reply, dict) or not isinstance(reply.get("wallets"), list):
        raise undocumented()
    return {str(one.get("name")) for one in reply["wallets"] if isinstance(one, dict)}


def _load(node: BitcoinNode, wallet: str) -> None:
    if wallet not in _known(node):
        raise no_wallet()
    try:
        node.call("loadwallet", wallet, True)
    except Failure as failure:
        if failure.upstream != Upstream("bitcoin", _LOADED_ALREADY):
            raise
