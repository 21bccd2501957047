"""A cold import: what a user waits for when a function starts."""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
ROUNDS = 9
HANDLER = "functions.bitcoin.get_block"

_PROGRAMME = """
import time
started = time.process_time()
import {handler}
from isthmus.log import logger
logger()
print((time.process_time() - started) * 1000)
"""


def measure() -> dict[str, tuple[float, str]]:
    """Milliseconds of CPU to import a read handler with its logger, from .pyc files; the median of some processes."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "layers" / "core" / "python")])
    command = [sys.executable, "-c", _PROGRAMME.format(handler=HANDLER)]
    runs = [
        float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
        for _ in range(ROUNDS + 1)
    ]
    return {"cold_import_ms": (round(median(runs[1:]), 1), "ms")}
