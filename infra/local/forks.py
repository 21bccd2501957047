"""The host's end of the fork server: start it, ask it for workers, hear when they end."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from isthmus.failure import Unavailable

_KILLED = -9
_END_DEADLINE_S = 5.0
_START_DEADLINE_S = 60.0


class Forks:
    """A fork server that is started again when it was lost.

    Args:
        root: the repository: what functions import is found from here.
        log: the file for what the functions print.
        preload: modules imported before the first worker.
        later: modules imported while there is nothing to do.
        exited: told of each worker that ended, with its exit status, negative for a signal.
    """

    def __init__(
        self,
        root: Path,
        log: Path,
        *,
        preload: Sequence[str] = (),
        later: Sequence[str] = (),
        exited: Callable[[int, int], None],
    ) -> None:
        self._root, self._log, self._exited = root, log, exited
        self._arguments = ["--preload", ",".join(preload), "--later", ",".join(later)]
        self._process: asyncio.subprocess.Process | None = None
        self._life: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._unsent: list[bytes] = []
        self._living: set[int] = set()
        self._closing = False

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start it and wait until it can fork.

        Raises:
            Unavailable: it ended, or took longer than a minute; its standard error says why.
        """
        life = self._life = asyncio.create_task(self._live())
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait({life, ready}, timeout=_START_DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            await self.close()
            raise Unavailable(
                "The process that runs the functions could not start.",
                next_step="Read the last lines of the runtime's log: an import of the product's library fails.",
                code="local/fork-server",
            )

    def spawn(self, task: Mapping[str, Any]) -> None:
        """Ask for a worker: `id`, `function`, `handler`, `environment`, `api`, `secret`."""
        self._living.add(task["id"])
        self._send({**task})

    def kill(self, worker: int) -> None:
        """End a worker, if it still lives."""
        if worker in self._living:
            self._send({"kill": worker})

    async def close(self) -> None:
        """End the fork server and with it every worker."""
        self._closing = True
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        if self._life is not None:
            await asyncio.wait({self._life}, timeout=_END_DEADLINE_S)
            if self._process is not None:
                self._process.kill()
            await self._life

    def _send(self, command: Mapping[str, Any]) -> None:
        line = orjson.dumps(command, option=orjson.OPT_APPEND_NEWLINE)
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(line)
            return
        self._unsent.append(line)
        if not self._closing and (self._life is None or self._life.done()):
            self._life = asyncio.create_task(self._live())

    async def _live(self) -> None:
        """One life of the fork server, from its start to its end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "infra.local.forkserver",
            str(self._log),
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=self._root,
            env=_environment(self._root),
            start_new_session=True,
        )
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - both are pipes
        self._process = process
        process.stdin.writelines(self._unsent)
        self._unsent.clear()
        if self._closing:
            process.stdin.close()
        with suppress(ConnectionResetError, BrokenPipeError):
            async for line in process.stdout:
                self._hear(orjson.loads(line))
        self._process = None
        self._ready.clear()
        await process.wait()
        for worker in sorted(self._living):
            self._hear({"exited": worker, "status": _KILLED})

    def _hear(self, event: Mapping[str, Any]) -> None:
        if "ready" in event:
            self._ready.set()
        elif event["exited"] in self._living:
            self._living.discard(event["exited"])
            self._exited(event["exited"], event["status"])


def _environment(root: Path) -> dict[str, str]:
    """What the fork server needs of this process's environment; workers get their own from the template."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONDONTWRITEBYTECODE")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "PYTHONPATH": python_path(root),
        "OPENBLAS_NUM_THREADS": "1",  # threads do not survive a fork
        "OMP_NUM_THREADS": "1",
    }


def python_path(root: Path) -> str:
    """Where functions and the library are found: in Lambda the task's root and the core layer."""
    return os.pathsep.join((str(root), str(root / "layers" / "core" / "python")))
