"""Locks on files, which end with the process that holds them."""

import fcntl
import random
import time

_LOCK_PAUSE_S = 0.004


def lock(handle: int, patience_s: float) -> None:
    """Hold an open file alone; whoever else asks waits.

    Raises:
        BlockingIOError: others held it for longer than `patience_s` seconds.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0, _LOCK_PAUSE_S))  # noqa: S311 - spreads the waiting, guards nothing
        else:
            return
