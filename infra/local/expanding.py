"""The template's stack, worked out by a process of its own that takes the transform's memory with it."""

import asyncio
import os
import sys
from pathlib import Path

from infra.local.expand import Stack, from_json
from infra.local.forks import python_path
from infra.local.home import ROOT
from infra.local.intrinsics import TemplateError


async def expanded(template: Path) -> Stack:
    """What the template expands to.

    Raises:
        TemplateError: the template cannot be understood.
    """
    command = [sys.executable, "-m", "infra.local.expand", str(template)]
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}  # no user's profile
    environment = mine | {"PYTHONPATH": python_path(ROOT)}
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    if process.returncode != 0:
        raise TemplateError(f"{template} could not be expanded; the runtime's log says why.")
    return from_json(printed.decode())
