"""The runtime: the template's functions, routes, schedules and state machines, running on this machine.

`python -m infra.local.runtime` is what `isthmus up` starts.
"""

import argparse
import asyncio
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Any

import uvicorn

from infra.local.asynchronous import Asynchronous
from infra.local.bitcoind import RegtestNode, start_regtest
from infra.local.control import Controls, control
from infra.local.environment import Surroundings, local_environment
from infra.local.event_bus import EventBus
from infra.local.expanding import expanded
from infra.local.followers import Followers, in_turn
from infra.local.gateway import App, Receive, Scope, Send, gateway
from infra.local.home import ROOT, Address, held, publish, withdraw
from infra.local.host import Host
from infra.local.identity import owner
from infra.local.intrinsics import TemplateError
from infra.local.logs import BoundedLog
from infra.local.running import Running
from infra.local.schedules import Scheduler
from infra.local.settings import Settings, settings_from
from infra.local.states.engine import Engine
from infra.local.step_functions import step_functions
from infra.local.timetable import ExpressionError
from isthmus.failure import Failure, Invalid, Precondition

_BACKLOG = 128
_KEEP_ALIVE_S = 75
_GRACE_S = 5


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the runtime has its own, which end more than the server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them as they are."""
        yield


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
            proxy_headers=False,
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
        stack = await expanded(settings.template, settings.home.transformed)
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
    invoke = in_turn(host.invoke, {one.function for one in stack.followers})
    asynchronous = Asynchronous(stack.functions, invoke, settings.pauses_s)
    up.push_async_callback(asynchronous.close)
    journal = BoundedLog(settings.home.events)
    up.callback(journal.close)
    running = Running(settings.home.path, stack, host, engine, asynchronous, variables)
    for machine in stack.machines:
        engine.register(machine.name, machine.definition)
    await engine.resume()
    running.scheduler = _scheduler(settings, running)
    up.push_async_callback(running.scheduler.close)
    followers = Followers(settings.home.table, stack.followers, invoke)
    up.push_async_callback(followers.close)
    for serving in (running.scheduler.serve(), followers.serve()):
        up.push_async_callback(_cancelled, asyncio.create_task(serving))
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


def _scheduler(settings: Settings, running: Running) -> Scheduler:
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
