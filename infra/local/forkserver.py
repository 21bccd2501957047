"""The fork server: one process that has imported what the functions need, and forks a Lambda worker on demand.

It speaks JSON lines: `spawn` and `kill` on its standard input, `ready` and `exited` on its standard output. What
workers print goes into the functions' log. When its input ends, because whoever started it is gone, it ends all
workers.
"""

import argparse
import gc
import importlib
import os
import selectors
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from infra.local.logs import BoundedLog, LineBuffer, tagged

_READ_BYTES = 256 * 1024
_QUIET_S = 0.1


@dataclass
class _Worker:
    id: int
    pid: int
    function: str
    output: int
    lines: LineBuffer = field(default_factory=LineBuffer)


@dataclass
class ForkServer:
    """The parent of all workers."""

    commands: int
    events: int
    log: BoundedLog
    later: deque[str]
    workers: dict[int, _Worker] = field(default_factory=dict)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    buffer: bytes = b""

    def serve(self) -> dict[str, Any]:
        """Serve until the input ends; returns only in a forked worker, with what it is to run."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        woken, wake = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        self.selector.register(self.commands, selectors.EVENT_READ)
        self.selector.register(woken, selectors.EVENT_READ)
        self.say({"ready": os.getpid()})
        _schedule(batch=True)
        while True:
            events = self.selector.select(_QUIET_S if self.later else None)
            if not events:
                _import(self.later.popleft())
            if (task := self.attend([key for key, _ in events], woken)) is not None:
                return task

    def attend(self, ready: Iterable[selectors.SelectorKey], woken: int) -> dict[str, Any] | None:
        """See to what is ready: ended workers, commands, and what workers print; in a forked worker, its task."""
        for key in ready:
            if key.fd == woken:
                os.read(woken, _READ_BYTES)
                self.reap()
            elif key.fd == self.commands:
                if (task := self.obey()) is not None:
                    return task
            elif key.data.id in self.workers:  # not if it was reaped in this same round
                self.copy(key.data)
        return None

    def say(self, event: dict[str, Any]) -> None:
        """Tell whoever started us."""
        with suppress(BrokenPipeError):
            os.write(self.events, orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))

    def obey(self) -> dict[str, Any] | None:
        """Read commands and follow them; in a forked worker, its task."""
        data = os.read(self.commands, _READ_BYTES)
        if not data:
            self.end()
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            command = orjson.loads(line)
            if "kill" in command:
                if worker := self.workers.get(command["kill"]):
                    os.kill(worker.pid, signal.SIGKILL)
            elif (task := self.spawn(command)) is not None:
                return task
        return None

    def spawn(self, task: dict[str, Any]) -> dict[str, Any] | None:
        """Fork; the child gets its task back, the parent nothing."""
        output, write_end = os.pipe()
        gc.freeze()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self.become_worker(parent, write_end)
            return task
        os.close(write_end)
        os.set_blocking(output, False)
        worker = _Worker(task["id"], pid, task["function"], output)
        self.workers[worker.id] = worker
        self.selector.register(output, selectors.EVENT_READ, worker)
        return None

    def become_worker(self, parent: int, output: int) -> None:
        """In the child: keep nothing of the parent but its imports, and die when it dies."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        _schedule(batch=False)
        _die_with(parent)
        os.dup2(output, 1)
        os.dup2(output, 2)
        self.selector.close()
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))

    def copy(self, worker: _Worker) -> None:
        """Move what a worker has printed into the log."""
        try:
            data = os.read(worker.output, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self.selector.unregister(worker.output)
            return
        for line in worker.lines.feed(data):
            self.log.write(tagged(worker.function, line))

    def reap(self) -> None:
        """Report every worker that has ended, after copying the last of what it printed."""
        by_pid = {worker.pid: worker for worker in self.workers.values()}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            worker = by_pid[pid]
            del self.workers[worker.id]
            self._drain(worker)
            self.say({"exited": worker.id, "status": os.waitstatus_to_exitcode(status)})

    def _drain(self, worker: _Worker) -> None:
        with suppress(BlockingIOError):
            while data := os.read(worker.output, _READ_BYTES):
                for line in worker.lines.feed(data):
                    self.log.write(tagged(worker.function, line))
        for line in worker.lines.end():
            self.log.write(tagged(worker.function, line))
        with suppress(KeyError):
            self.selector.unregister(worker.output)
        os.close(worker.output)

    def end(self) -> None:
        """End every worker, then this process."""
        for worker in self.workers.values():
            os.kill(worker.pid, signal.SIGKILL)
        for worker in self.workers.values():
            os.waitpid(worker.pid, 0)
            self._drain(worker)
        self.log.close()
        os._exit(0)  # nothing is left to do, and finalizers of what was only preloaded would complain


def work(task: dict[str, Any]) -> None:
    """Run AWS's own runtime loop in this process: it asks the host for invocations until it is killed.

    The package reads the environment when it is imported, so it is imported here and nowhere else.
    """
    os.environ.clear()
    os.environ.update(task["environment"])
    os.environ["AWS_LAMBDA_RUNTIME_API"] = f"{task['api']}/{task['secret']}"
    os.environ["_HANDLER"] = task["handler"]
    time.tzset()
    if (root := os.environ.get("LAMBDA_TASK_ROOT")) and root not in sys.path:
        sys.path.insert(0, root)
    from awslambdaric import bootstrap

    from infra.local.runtime_client import RuntimeClient

    bootstrap.run(task["handler"], RuntimeClient(task["api"], task["secret"]))


def _schedule(*, batch: bool) -> None:
    """Whether this process, when it wakes up, waits for the running one to pause: what workers print is not urgent.

    Linux only, sched(7): otherwise each line that a worker logs takes the processor from it at once.
    """
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_BATCH if batch else os.SCHED_OTHER, os.sched_param(0))


def _die_with(parent: int) -> None:
    """Be killed by the kernel when the fork server is: Linux only; elsewhere the lost connection ends the worker."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, prctl(2)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _import(module: str) -> None:
    """Import ahead of time; what is not installed is a function's own business."""
    with suppress(ModuleNotFoundError):
        importlib.import_module(module)


def main() -> None:
    """Start the fork server on this process's standard input and output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    parser.add_argument("--preload", default="", help="modules to import before the first worker")
    parser.add_argument("--later", default="", help="modules to import while there is nothing to do")
    options = parser.parse_args()
    commands, events, nothing = os.dup(0), os.dup(1), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    for module in filter(None, options.preload.split(",")):
        _import(module)
    server = ForkServer(commands, events, BoundedLog(options.log), deque(filter(None, options.later.split(","))))
    task = server.serve()
    try:
        work(task)
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))


if __name__ == "__main__":
    main()
