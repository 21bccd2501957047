"""The runtime: the template's functions, routes, schedules and state machines, running on this machine.

`python -m infra.local.runtime` is what `isthmus up` starts.
"""

import argparse
import asyncio
import json
import os
import re
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from infra.local.asynchronous import PAUSES_S, Asynchronous
from infra.local.bitcoind import RegtestNode, start_regtest
from infra.local.control import Controls, control
from infra.local.environment import NODE_FILES, NODE_VARIABLES, Surroundings, local_environment
from infra.local.event_bus import EventBus
from infra.local.events import scheduled
from infra.local.expand import Machine, Schedule, Stack
from infra.local.expanding import expanded
from infra.local.gateway import App, Receive, Scope, Send, gateway
from infra.local.home import ROOT, Address, Home, held, home_of, publish, withdraw
from infra.local.host import Host, Limits
from infra.local.identity import owner
from infra.local.intrinsics import TemplateError
from infra.local.logs import BoundedLog
from infra.local.schedules import Run, Scheduler
from infra.local.states.engine import Engine
from infra.local.states.errors import TaskError
from infra.local.step_functions import step_functions
from infra.local.timetable import ExpressionError
from isthmus.failure import Failure, Invalid, Precondition

DEFAULT_PORT = 8080
PRELOADED = (
    "isthmus.operation",
    "isthmus.storage.adapters.sqlite",
    "isthmus.storage.adapters.files",
    "isthmus.bitcoin.adapters.core",
    "aws_lambda_powertools",
)
PRELOADED_LATER = ("numpy", "duckdb", "boto3")
_BACKLOG = 128
_HIGHEST_PORT = 65_535
_KEEP_ALIVE_S = 75
_GRACE_S = 5
_RECENT_EXECUTIONS = 5


@dataclass(frozen=True)
class Settings:
    """What to run, and where."""

    home: Home
    root: Path = ROOT
    template: Path = ROOT / "template.yaml"
    port: int = DEFAULT_PORT
    node: Mapping[str, str] | None = field(default=None)
    regtest: bool = True
    limits: Limits = field(default_factory=Limits)
    pauses_s: tuple[float, ...] = PAUSES_S
    preload: tuple[str, ...] = PRELOADED
    later: tuple[str, ...] = PRELOADED_LATER


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the runtime has its own, which end more than the server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them as they are."""
        yield


@dataclass
class _Running:
    """The parts of a runtime that is up."""

    settings: Settings
    stack: Stack
    host: Host
    engine: Engine
    asynchronous: Asynchronous
    node: Mapping[str, str]
    started: float = field(default_factory=time.time)
    scheduler: Scheduler | None = None

    async def call(self, name: str, payload: Any, timeout_s: float | None) -> Any:
        """A state machine's task: the function's result; the engine itself watches the task's time.

        Raises:
            TaskError: the function failed.
        """
        del timeout_s
        function = next((one.id for one in self.stack.functions if name in (one.arn, one.name, one.id)), None)
        if function is None:
            raise TaskError("Lambda.ResourceNotFoundException", json.dumps({"errorMessage": "No such function."}))
        outcome = await self.host.invoke(function, json.dumps(payload).encode())
        if outcome.error is not None:
            raise TaskError(outcome.error, outcome.payload.decode())
        return json.loads(outcome.payload)

    async def due(self, run: Run) -> str | None:
        """A schedule's run: the name of the error it ended with, or None."""
        schedule = run.schedule
        payload = schedule.input or json.dumps(scheduled(schedule.source, schedule.arn, run.id, run.due))
        if schedule.starts_machine:
            await self.engine.start(schedule.target, run.id, json.loads(payload))
            return None
        outcome = await self.asynchronous.run(_function_of(self.stack, schedule), payload.encode())
        if outcome.error is not None:
            print(f"schedule {schedule.name} ended with {outcome.error}", file=sys.stderr, flush=True)
        return outcome.error

    def status(self) -> dict[str, Any]:
        """What `isthmus status` shows."""
        standings = self.scheduler.standings() if self.scheduler else []
        return {
            "pid": os.getpid(),
            "uptime_s": round(time.time() - self.started),
            "home": str(self.settings.home.path),
            "node": _without_password(self.node.get("ISTHMUS_BITCOIN_URL")),
            "functions": self.host.status(),
            "routes": len(self.stack.routes),
            "schedules": [
                {
                    "name": one.name,
                    "expression": one.expression,
                    "next_due": one.next_due,
                    "running": one.running_since is not None,
                    "last_due": one.last_due,
                    "last_error": one.last_error,
                }
                for one in standings
            ],
            "machines": [self._machine(machine) for machine in self.stack.machines],
        }

    def _machine(self, machine: Machine) -> dict[str, Any]:
        recent = self.engine.executions(machine.name, _RECENT_EXECUTIONS)
        shown = [{"name": one.name, "status": one.status, "started": one.started_ms / 1000} for one in recent]
        return {"name": machine.name, "executions": shown}


def _without_password(url: str | None) -> str | None:
    return re.sub(r"//[^/@]*@", "//", url) if url else None


def _function_of(stack: Stack, schedule: Schedule) -> str:
    return next(function.id for function in stack.functions if function.name == schedule.target)


@contextmanager
def claimed(settings: Settings) -> Iterator[socket.socket]:
    """The folder and the port for this process alone: the socket that listens.

    Raises:
        Precondition: another runtime has the folder, or the port cannot be used.
    """
    with held(settings.home), _listener(settings.port) as public:
        withdraw(settings.home)  # a killed runtime's process id may be another program's by now
        yield public


async def serve(
    settings: Settings,
    announce: Callable[[Address], None],
    *,
    public: socket.socket | None = None,
    leaving: Callable[[], None] = lambda: None,
) -> None:
    """Run until SIGTERM, SIGINT or the control API's /stop; everything that was started is ended.

    Args:
        settings: what to run.
        announce: told the address as soon as requests are served.
        public: what `claimed` gave, when the caller has claimed folder and port itself.
        leaving: told at once when it shall stop.

    Raises:
        Failure: it cannot start; the sentence says why and what to do.
    """
    async with AsyncExitStack() as up:
        public = public or up.enter_context(claimed(settings))
        private = up.enter_context(_listener(0))
        server: list[_Server] = []
        starting = asyncio.current_task()

        def stop() -> None:
            leaving()
            if server:
                server[0].should_exit = True
            elif starting is not None:
                starting.cancel()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
            up.callback(loop.remove_signal_handler, number)
        address = Address(os.getpid(), _url(public), _url(private), secrets.token_hex(16))
        app = await _start(settings, address, up, stop, private)
        config = uvicorn.Config(
            app,
            http="httptools",
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACE_S,
        )
        server.append(_Server(config))
        publish(settings.home, address)
        up.callback(withdraw, settings.home)
        announce(address)
        await server[0].serve(sockets=[public, private])


async def _start(
    settings: Settings, address: Address, up: AsyncExitStack, stop: Callable[[], None], private: socket.socket
) -> App:
    """Start every part; the node and the template at the same time."""
    did = owner(settings.home).did
    node = asyncio.create_task(_node(settings, up))
    try:
        stack = await expanded(settings.template)
    except TemplateError as error:
        raise Invalid(str(error), next_step="Correct the template.", code="local/template") from error
    finally:
        variables = await node
    around = Surroundings(settings.root, settings.home.path, did, address.control, address.token, variables)
    host = Host(
        stack.functions,
        lambda function: local_environment(function, around),
        root=ROOT,
        log=settings.home.functions_log,
        limits=settings.limits,
        preload=settings.preload,
        later=settings.later,
    )
    up.push_async_callback(host.close)
    await host.start()

    async def call(name: str, payload: Any, timeout_s: float | None) -> Any:
        return await running.call(name, payload, timeout_s)

    engine = Engine(settings.home.executions, call)
    up.push_async_callback(engine.close)
    asynchronous = Asynchronous(stack.functions, host.invoke, settings.pauses_s)
    up.push_async_callback(asynchronous.close)
    journal = BoundedLog(settings.home.events)
    up.callback(journal.close)
    running = _Running(settings, stack, host, engine, asynchronous, variables)
    for machine in stack.machines:
        engine.register(machine.name, machine.definition)
    await engine.resume()
    running.scheduler = _scheduler(settings, running)
    up.push_async_callback(running.scheduler.close)
    ticking = asyncio.create_task(running.scheduler.serve())
    up.push_async_callback(_cancelled, ticking)
    names = {name: one.id for one in stack.functions for name in (one.handler.rpartition(".")[2], one.name, one.id)}
    controls = Controls(
        address.token,
        step_functions(engine, stack.machines),
        EventBus(journal),
        host.invoke,
        asynchronous.start,
        names,
        running.status,
        stop,
    )
    return _by_port(private.getsockname()[1], control(controls), gateway(stack.routes, host.invoke))


def _scheduler(settings: Settings, running: _Running) -> Scheduler:
    try:
        return Scheduler(settings.home.schedules, running.stack.schedules, running.due)
    except ExpressionError as error:
        raise Invalid(str(error), next_step="Correct the schedule in its operation.", code="local/schedule") from error


async def _node(settings: Settings, up: AsyncExitStack) -> Mapping[str, str]:
    """The worker's variables that name the node: the one given, else one on regtest that ends with the runtime."""
    if settings.node is not None:
        return settings.node
    if not settings.regtest:
        return {}
    node: RegtestNode = await asyncio.to_thread(start_regtest, settings.home.bitcoin)
    up.push_async_callback(asyncio.to_thread, node.stop)
    return {"ISTHMUS_BITCOIN_URL": node.url, "ISTHMUS_BITCOIN_COOKIE": str(node.cookie)}


def _by_port(private: int, control_app: App, public_app: App) -> App:
    """One server, two sockets: the control API is only on its own."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (control_app if scope["server"][1] == private else public_app)(scope, receive, send)

    return app


def _listener(port: int) -> socket.socket:
    """A socket that listens on loopback.

    Raises:
        Precondition: the port is taken.
    """
    listener = socket.socket(proto=socket.IPPROTO_TCP)  # without it asyncio leaves Nagle on: 40 ms per answer
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise Precondition(
            f"Port {port} of 127.0.0.1 cannot be used: {os.strerror(error.errno or 0)}.",
            next_step="Choose another one: `isthmus up --port 8081`, `make run PORT=8081`.",
            code="local/port",
        ) from error
    listener.listen(_BACKLOG)
    return listener


def _url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def settings_from(environ: Mapping[str, str], *, port: int | None = None, with_node: bool = True) -> Settings:
    """What the command line and the environment ask for; a failed event's third attempt waits twice the pause.

    Raises:
        Invalid: the port or the pause is none.
    """
    given = {name: environ[name] for name in NODE_VARIABLES if environ.get(name)}
    given |= {name: str(Path(given[name]).absolute()) for name in NODE_FILES if name in given}
    asked = str(port) if port is not None else environ.get("ISTHMUS_PORT") or str(DEFAULT_PORT)
    if not (asked.isascii() and asked.isdigit() and int(asked) <= _HIGHEST_PORT):
        raise Invalid(
            f"A port is a number from 0 to {_HIGHEST_PORT}.",
            next_step="Correct ISTHMUS_PORT or `--port`; 0 takes any free one.",
            code="local/port",
        )
    pause = environ.get("ISTHMUS_RETRY_PAUSE_S") or str(PAUSES_S[0])
    if not (pause.isascii() and pause.replace(".", "", 1).isdigit()):
        raise Invalid(
            "A pause is a number of seconds.", next_step="Correct ISTHMUS_RETRY_PAUSE_S.", code="local/retry-pause"
        )
    return Settings(
        pauses_s=(float(pause), 2 * float(pause)),
        home=home_of(environ),
        port=int(asked),
        node=given if "ISTHMUS_BITCOIN_URL" in given else None,
        regtest=with_node,
    )


def main() -> int:
    """Run in the foreground of this process; what came of the start is told on `--tell` as one JSON document."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--without-node", action="store_true")
    parser.add_argument("--tell", type=int, default=1)
    options = parser.parse_args()
    settings = settings_from(os.environ, port=options.port, with_node=not options.without_node)

    def tell(document: Mapping[str, Any]) -> None:
        os.write(options.tell, json.dumps(document).encode() + b"\n")

    try:
        asyncio.run(serve(settings, lambda address: tell({"url": address.url})))
    except Failure as failure:
        tell({"detail": failure.detail, "next_step": failure.next_step})
        return 1
    except asyncio.CancelledError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
