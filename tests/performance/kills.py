"""How many kills of the whole system, each while it pays, are survived: nothing is paid twice, and nothing is lost."""

import time

from tests.system.kills import killed_while_paying
from tests.system.running import running
from tests.system.spending import Till

KILLS = 300


def measure() -> dict[str, tuple[float, str]]:
    """The kills after which client, ledger and chain tell the same of every payment; 0 when they do not."""
    started = time.monotonic()
    with running() as (system, node):
        killed = killed_while_paying(Till(node, system), KILLS)
    for name, number in sorted(killed.figures.items()):
        print(f"# kills: {name}: {number}")
    for violation in killed.violations:
        print(f"# kills: violation: {violation}")
    print(f"# kills: {time.monotonic() - started:.0f} s")
    return {"kills": (0 if killed.violations else killed.figures["killed with payments under way"], "kills")}
