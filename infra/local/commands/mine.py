"""`isthmus mine`: blocks on the regtest node of this machine, and with them money to try payments with."""

import argparse
import json
import os
from urllib.parse import quote

from infra.local.bitcoind import running_regtest
from infra.local.commands.call import refused
from infra.local.home import home_of
from infra.local.signing import signer
from isthmus.failure import Precondition

_MATURE = 100
"""Blocks after which what a block pays may be spent."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--blocks", type=int, default=1, metavar="N", help="how many blocks (default: 1)")
    parser.add_argument("--wallet", metavar="NAME", help=f"whom they pay; {_MATURE} more let it spend that")


def run(options: argparse.Namespace) -> int:
    """Mine, and say how long the chain is then.

    Raises:
        Precondition: no regtest node runs here, such as when the system uses a node of its owner's.
        Refused: the number is none that the node takes.
    """
    node = running_regtest(home_of(os.environ).bitcoin)
    if node is None:
        raise Precondition(
            "No regtest node of this system runs.",
            next_step="Start one with `isthmus up` or `make run`, without ISTHMUS_BITCOIN_URL.",
            code="local/no-regtest",
        )
    if options.wallet is None:
        node.mine(options.blocks)
    else:
        headers = {"content-type": "application/json"}
        path = f"/v1/bitcoin/wallets/{quote(options.wallet, safe='')}/addresses"
        answer = signer(os.environ).send("POST", path, body=b"{}", headers=headers)
        if not answer.ok:
            return refused(answer)
        node.rpc("generatetoaddress", options.blocks, json.loads(answer.body)["address"])
        node.mine(_MATURE)
    print(f"The chain is {node.rpc('getblockcount') + 1} blocks long.")
    return 0
