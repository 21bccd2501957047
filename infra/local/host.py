"""The Lambda host: AWS's own runtime in worker processes, as many as there is work for and memory allows.

Workers of a function are started when all are busy, up to a limit; idle ones of other functions make room, the longest
idle first; what cannot run yet waits in order. A worker that dies or overruns its time limit takes only its own
invocation with it.
"""

import asyncio
import contextlib
import itertools
import secrets
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local import outcome
from infra.local.expand import Function
from infra.local.forks import Forks
from infra.local.outcome import Outcome
from infra.local.runtime_api import MAX_PAYLOAD_BYTES, Connection, Runtime
from infra.local.worker import Invocation, Worker

_SWEEP_S = 15.0


@dataclass(frozen=True)
class Limits:
    """How much the host may use."""

    workers: int = 12
    per_function: int = 4
    waiting: int = 1000
    idle_s: float = 600.0
    start_s: float = 10.0


class Host:
    """Runs functions.

    Args:
        functions: what can be invoked.
        environment: the environment variables of a function's workers.
        root: the repository.
        log: the file for what the functions print.
        limits: how much may be used.
        preload: modules the fork server imports before the first worker.
        later: modules the fork server imports while there is nothing to do.
    """

    def __init__(
        self,
        functions: Iterable[Function],
        environment: Callable[[Function], dict[str, str]],
        *,
        root: Path,
        log: Path,
        limits: Limits | None = None,
        preload: Sequence[str] = (),
        later: Sequence[str] = (),
    ) -> None:
        self.functions = {function.id: function for function in functions}
        self.limits = limits or Limits()
        self._environment = environment
        self._forks = Forks(root, log, preload=preload, later=later, exited=self._exited)
        self._workers: dict[int, Worker] = {}
        self._leaving: dict[int, Worker] = {}
        self._idle: dict[str, list[Worker]] = {name: [] for name in self.functions}
        self._waiting: dict[str, deque[Invocation]] = {name: deque() for name in self.functions}
        self._by_secret: dict[str, Runtime] = {}
        self._secrets: dict[int, str] = {}
        self._numbers = itertools.count(1)
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._api = ""
        self._closing = False

    async def start(self) -> None:
        """Start the Runtime API and the fork server.

        Raises:
            Unavailable: the fork server cannot start.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self._by_secret), "127.0.0.1", 0)
        self._api = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        await self._forks.start()
        self._sweeper = asyncio.create_task(self._sweep())

    async def invoke(self, function: str, payload: bytes) -> Outcome:
        """Run a function, by its logical id, on a JSON payload; cancelling the caller does not stop the function."""
        if len(payload) > MAX_PAYLOAD_BYTES:
            return outcome.too_large_request()
        queue = self._waiting[function]
        if len(queue) >= self.limits.waiting:
            return outcome.throttled()
        invocation = Invocation(str(uuid.uuid4()), payload, asyncio.get_running_loop().create_future())
        queue.append(invocation)
        self._assign(function)
        return await invocation.outcome

    def status(self) -> list[dict[str, Any]]:
        """For each function its workers, how many of them are busy, and how many invocations wait."""
        return [
            {
                "function": name,
                "workers": len(self._of(name)),
                "busy": sum(worker.invocation is not None for worker in self._of(name)),
                "waiting": len(self._waiting[name]),
            }
            for name in self.functions
        ]

    async def close(self) -> None:
        """End every worker; whoever still waits is told."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        self._closing = True
        for name in self._waiting:
            self._assign(name)
        await self._forks.close()
        for worker in [*self._workers.values(), *self._leaving.values()]:
            worker.hang_up()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _of(self, function: str) -> list[Worker]:
        return [worker for worker in self._workers.values() if worker.function.id == function]

    def _assign(self, function: str) -> None:
        """Give waiting invocations to idle workers, then start workers for the rest; when closing, tell them so."""
        queue, idle = self._waiting[function], self._idle[function]
        while queue and self._closing:  # also what a worker had been given and did not get before it was ended
            invocation = queue.popleft()
            invocation.finish(outcome.stopping(invocation.id))
        while queue and idle:
            invocation = queue.popleft()
            if not invocation.outcome.done():
                idle.pop().give(invocation)
        if not queue:
            return
        mine = self._of(function)
        starting = sum(not worker.ready for worker in mine)
        limit = self.functions[function].concurrency or self.limits.per_function
        while starting < len(queue) and len(mine) < limit and self._has_room():
            mine.append(self._start(self.functions[function]))
            starting += 1

    def _has_room(self) -> bool:
        """Whether one more worker may be started; the one that has been idle longest makes room."""
        if len(self._workers) < self.limits.workers:
            return True
        idle = [worker for workers in self._idle.values() for worker in workers]
        if not idle:
            return False
        self._end(min(idle, key=lambda worker: worker.since))
        return True

    def _start(self, function: Function) -> Worker:
        number, secret = next(self._numbers), secrets.token_urlsafe(24)
        worker = Worker(number, function, free=self._free, ended=self._end, gone=self._gone)
        self._workers[number] = worker
        self._by_secret[secret] = worker
        self._secrets[number] = secret
        worker.starts(max(self.limits.start_s, function.timeout_s))
        self._forks.spawn(
            {
                "id": number,
                "function": function.id,
                "handler": function.handler,
                "environment": self._environment(function),
                "api": self._api,
                "secret": secret,
            }
        )
        return worker

    def _end(self, worker: Worker) -> None:
        """Have a worker killed; from now on it does not count."""
        if self._workers.pop(worker.id, None) is not None:
            self._leaving[worker.id] = worker
        if worker in self._idle[worker.function.id]:
            self._idle[worker.function.id].remove(worker)
        self._forks.kill(worker.id)

    def _free(self, worker: Worker) -> None:
        """A worker can take an invocation, unless a function with no worker at all has waited longer."""
        if worker.id not in self._workers:
            return
        own = worker.function.id
        self._idle[own].append(worker)
        if not any(self._waiting.values()):
            return
        starving = self._starving()
        if not starving or not self._waiting[own] or self._waited(own) <= self._waited(starving[0]):
            self._assign(own)
        for name in starving:
            self._assign(name)
        self._assign(own)

    def _exited(self, number: int, status: int) -> None:
        worker = self._workers.get(number) or self._leaving.get(number)
        if worker is not None:
            self._end(worker)
            worker.exited(status)

    def _gone(self, worker: Worker) -> None:
        """A worker's process ended and everything it said was heard."""
        self._end(worker)
        self._leaving.pop(worker.id, None)
        self._by_secret.pop(self._secrets.pop(worker.id), None)
        queue, status = self._waiting[worker.function.id], worker.status or 0
        if worker.invocation is not None and worker.delivered:
            worker.invocation.finish(outcome.exited(worker.invocation.id, status))
        elif worker.invocation is not None:
            queue.appendleft(worker.invocation)
        elif not worker.ready and queue:
            invocation = queue.popleft()
            invocation.finish(worker.start_error or outcome.exited(invocation.id, status))
        for name in [*self._starving(), worker.function.id]:
            self._assign(name)

    def _starving(self) -> list[str]:
        """The functions that wait and have no worker at all, the longest waiting first."""
        names = [name for name, queue in self._waiting.items() if queue and not self._of(name)]
        return sorted(names, key=self._waited)

    def _waited(self, function: str) -> float:
        """Since when the first of a function's invocations has waited."""
        return self._waiting[function][0].since

    async def _sweep(self) -> None:
        """End workers that have been idle for too long."""
        while True:
            await asyncio.sleep(min(_SWEEP_S, self.limits.idle_s))
            oldest = time.monotonic() - self.limits.idle_s
            for worker in [worker for workers in self._idle.values() for worker in workers if worker.since <= oldest]:
                self._end(worker)
