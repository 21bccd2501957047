"""The template's stack when the system starts; what takes long of it is kept for the next start.

SAM's transform depends on the text of the template and on its own code alone, so what it gave is good as long as they
are the same. All the rest is worked out at each start.
"""

import asyncio
import hashlib
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from samtranslator import __version__ as translator

from infra.local import transform
from infra.local.expand import Stack, stack_of
from infra.local.forks import python_path
from infra.local.home import ROOT, write_private
from infra.local.intrinsics import REGION, TemplateError
from infra.local.transform import Transformed, from_json


async def expanded(template: Path, kept: Path) -> Stack:
    """What the template expands to.

    Args:
        template: a SAM template.
        kept: the file for what the transform gave; any other content is replaced.

    Raises:
        TemplateError: the template cannot be understood.
    """
    made_of = _digest(template)
    transformed = _known(kept, made_of)
    if transformed is None:
        printed = await _transformed(template)
        transformed = from_json(printed)
        with suppress(OSError):  # the next start takes longer then
            write_private(kept, {"made_of": made_of, "transformed": printed})
    return stack_of(transformed, template.parent)


def _digest(template: Path) -> str:
    parts = [translator.encode(), REGION.encode(), Path(transform.__file__).read_bytes()]
    with suppress(OSError):  # what cannot be read is the transform's to explain
        parts.append(template.read_bytes())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _known(kept: Path, made_of: str) -> Transformed | None:
    with suppress(OSError, ValueError, LookupError, TypeError):
        document = json.loads(kept.read_text())
        if document["made_of"] == made_of:
            return from_json(document["transformed"])
    return None


async def _transformed(template: Path) -> str:
    command = [sys.executable, "-m", transform.__name__, str(template)]
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}  # no user's profile
    environment = mine | {"PYTHONPATH": python_path(ROOT)}
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    if process.returncode != 0:
        raise TemplateError(f"{template} could not be expanded; the runtime's log says why.")
    return printed.decode()
