"""Wallets: the node's own descriptor wallets, one name space for each tenant.

Source: Bitcoin Core's wallet RPC, descriptor wallets (doc/managing-wallets.md).
"""

import random
import time
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from pydantic import BaseModel

from isthmus.bitcoin.codes import TIMEOUT
from isthmus.bitcoin.devices import only_device, silent
from isthmus.bitcoin.views import read, undocumented
from isthmus.failure import Conflict, Failure, FieldError, Limited, NotFound, Upstream
from isthmus.ports import BitcoinNode

T = TypeVar("T")

WALLET_NAME = r"^[a-z0-9][a-z0-9-]{0,39}$"
MAX_WALLETS = 100
"""Of one tenant: the node keeps each of them in memory."""

WATCHES = "_watches"
"""The wallet behind a tenant's watches, which is none of its wallets: no name of a wallet begins like this."""

_PREFIX = "isthmus"
_NOT_LOADED = -18
_LOADED_ALREADY = -35
_FAILED = -1
_WALLET_TROUBLE = -4
_TRIES = 40
_LONGEST_PAUSE_S = 0.3
_EXISTS = frozenset({_WALLET_TROUBLE, -36})


class _Info(BaseModel):
    private_keys_enabled: bool
    external_signer: bool = False


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


def patiently(call: Callable[[], T], is_short: Callable[[], bool] = lambda: True) -> T:
    """What a call gives once the wallet is not busy with another one: it makes or imports one thing at a time.

    Args:
        call: what is wanted.
        is_short: whether what the wallet is busy with is worth waiting for.

    Raises:
        Unavailable: it stays busy.
        Failure: whatever the call refuses.
    """
    for _ in range(_TRIES):
        try:
            return call()
        except Failure as failure:
            if failure.upstream != Upstream("bitcoin", _WALLET_TROUBLE) or not is_short():
                raise
        time.sleep(random.uniform(0, _LONGEST_PAUSE_S))  # noqa: S311 - spreads the waiting, guards nothing
    return call()


def make_wallet(node: BitcoinNode, tenant: str, name: str, *, watch_only: bool, on_device: bool = False) -> None:
    """A new descriptor wallet, loaded again whenever the node starts; nothing when there is just that wallet already.

    Args:
        node: the node.
        tenant: whose wallet it is.
        name: what the tenant calls it.
        watch_only: without private keys.
        on_device: with the addresses of the node's signing device, which has the keys; then it is watch-only, too.

    Raises:
        Conflict: there is one of this name and of another kind, or one that the device gave no addresses for.
        Limited: the tenant has as many wallets as it may have.
        Precondition: there is no signing device, or several, or it did not answer in time.
    """
    wallet, known = node_wallet(tenant, name), _known(node)
    try:
        if wallet not in known:
            if name != WATCHES:
                _check_number(known, tenant)
            if on_device:
                only_device(node)
            if _created(node, wallet, watch_only=watch_only, on_device=on_device):
                return
        info = _info(node, wallet)
    except Failure as failure:  # a wallet is neither there nor not there while the device is asked for its keys
        raise (silent() if on_device and _is_busy(failure) else failure) from None
    if (info.private_keys_enabled, info.external_signer) != (not watch_only, on_device):
        raise Conflict(
            "There is a wallet of this name already, and it is of another kind.",
            next_step="Use it, or choose another name.",
            code="bitcoin/wallet-exists",
        )
    if on_device and not wallet_call(node, wallet, "listdescriptors").get("descriptors"):
        raise _without_keys()


def watches_only(node: BitcoinNode, wallet: str) -> bool:
    """Whether the wallet has no private keys.

    Raises:
        NotFound: there is no such wallet.
    """
    return not _info(node, wallet).private_keys_enabled


def has_device(node: BitcoinNode, wallet: str) -> bool:
    """Whether the node's signing device has the wallet's keys.

    Raises:
        NotFound: there is no such wallet.
    """
    return _info(node, wallet).external_signer


def no_wallet() -> NotFound:
    """There is none, or it is another tenant's: nobody can tell which."""
    return NotFound(
        "There is no such wallet.",
        next_step="Create it, or check its name.",
        code="bitcoin/no-wallet",
        errors=(FieldError("/wallet", "names none of the caller's tenant"),),
    )


def all_wallets(node: BitcoinNode) -> list[tuple[str, str, str]]:
    """Every wallet of every tenant: tenant, name, and what the node calls it."""
    return [one for one in _ours(node) if one[1] != WATCHES]


def watching_wallets(node: BitcoinNode) -> list[tuple[str, str]]:
    """The wallets behind the watches of all tenants: tenant, and what the node calls it."""
    return [(tenant, wallet) for tenant, name, wallet in _ours(node) if name == WATCHES]


def wallets_of(node: BitcoinNode, tenant: str) -> list[str]:
    """What the node calls the wallets of a tenant, the one behind its watches among them."""
    return [wallet for whose, _, wallet in _ours(node) if whose == tenant]


def _ours(node: BitcoinNode) -> list[tuple[str, str, str]]:
    parts = ((one.split("."), one) for one in sorted(_known(node)))
    return [
        (split[1], split[2], one) for split, one in parts if len(split) == len(("", "", "")) and split[0] == _PREFIX
    ]


def _info(node: BitcoinNode, wallet: str) -> _Info:
    return read(_Info, wallet_call(node, wallet, "getwalletinfo"))


def _created(node: BitcoinNode, wallet: str, *, watch_only: bool, on_device: bool) -> bool:
    """Whether this call has made the wallet; False when another one has meanwhile."""
    device = [True] if on_device else []
    try:
        node.call("createwallet", wallet, watch_only, watch_only and not on_device, "", False, True, True, *device)
    except Failure as failure:
        code = failure.upstream.code if failure.upstream else None
        if on_device and code == _FAILED:
            raise _without_keys() from None
        if code not in _EXISTS or wallet not in _known(node):
            raise
        return False
    return True


def _check_number(known: Collection[str], tenant: str) -> None:
    others = {one for one in known if one.startswith(node_wallet(tenant, ""))} - {node_wallet(tenant, WATCHES)}
    if len(others) >= MAX_WALLETS:
        raise Limited(
            f"There are {MAX_WALLETS} wallets, and no more are made.",
            next_step="Use a wallet that is there; addresses and labels keep payments apart as well.",
            code="bitcoin/too-many-wallets",
        )


def _is_busy(failure: Failure) -> bool:
    return failure.code == TIMEOUT or failure.upstream == Upstream("bitcoin", _WALLET_TROUBLE)


def _without_keys() -> Conflict:
    return Conflict(
        "The wallet was begun, but the signing device gave no keys for it, and the node keeps what is left.",
        next_step="Choose another name; or remove the wallet's folder on the node, and take this one.",
        code="bitcoin/wallet-without-keys",
    )


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
