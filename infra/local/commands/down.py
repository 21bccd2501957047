"""`isthmus down`: stop the system, and the node if the system started it."""

import argparse
import os
import signal
import time
from contextlib import suppress

from infra.local.client import control
from infra.local.home import find, home_of, is_held
from isthmus.failure import Unavailable

_DEADLINE_S = 90.0
_INTERVAL_S = 0.05


def arguments(parser: argparse.ArgumentParser) -> None:
    """There are no options."""
    del parser


def run(options: argparse.Namespace) -> int:
    """Ask it to stop and wait until it has; what does not answer is sent a signal."""
    del options
    home = home_of(os.environ)
    address = find(home)
    try:
        control(address, "POST", "/stop", timeout_s=5.0)
    except Unavailable:
        with suppress(ProcessLookupError):
            os.kill(address.pid, signal.SIGTERM)
    deadline = time.monotonic() + _DEADLINE_S
    while is_held(home):
        if time.monotonic() > deadline:
            raise Unavailable(
                f"The runtime, process {address.pid}, has not stopped within {_DEADLINE_S:g} seconds.",
                next_step=f"End it with `kill -9 {address.pid}`: what it acknowledged is on the disk.",
                code="local/stop",
            )
        time.sleep(_INTERVAL_S)
    print("Isthmus is down.")
    return 0
