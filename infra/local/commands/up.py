"""`isthmus up`: start the system and wait until it serves."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from infra.local.forks import python_path
from infra.local.home import ROOT, Home, home_of, is_held, make
from infra.local.identity import owner
from infra.local.logs import rotated
from infra.local.settings import settings_from
from isthmus.failure import Precondition, Unavailable

_MAX_LOG_BYTES = 1024 * 1024


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--foreground", action="store_true", help="stay in this terminal until Ctrl-C")
    parser.add_argument("--port", type=int, help="the port of the HTTP API (default: ISTHMUS_PORT or 8080)")
    parser.add_argument(
        "--without-node",
        action="store_true",
        help="start no regtest node when ISTHMUS_BITCOIN_URL names none; Bitcoin operations then answer 409",
    )


def run(options: argparse.Namespace) -> int:
    """Start in the background, or stay."""
    home = home_of(os.environ)
    if is_held(home):
        raise Precondition(
            f"The system runs on {home.path} already.",
            next_step="Use it: `isthmus status` says where. Or stop it with `isthmus down`.",
            code="local/running",
        )
    if not os.environ.get("ISTHMUS_BITCOIN_URL") and not options.without_node:
        from infra.local.bitcoind import find_bitcoind

        find_bitcoind(_say)
    make(home)
    owner(home, _say)
    return _stay(options) if options.foreground else _leave(options, home)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _stay(options: argparse.Namespace) -> int:
    import asyncio

    from infra.local.runtime import serve

    settings = settings_from(os.environ, port=options.port, with_node=not options.without_node)
    try:
        asyncio.run(serve(settings, lambda address: print(f"Isthmus serves {address.url}", flush=True)))
    except asyncio.CancelledError:
        return 130
    return 0


def _leave(options: argparse.Namespace, home: Home) -> int:
    """Start a process of its own and wait for what it tells: its address, or why it cannot start."""
    settings = settings_from(os.environ, port=options.port, with_node=not options.without_node)
    told, tell = os.pipe()
    command = [sys.executable, "-m", "infra.local.runtime", "--tell", str(tell)]
    command += ["--port", str(options.port)] if options.port is not None else []
    command += ["--without-node"] if options.without_node else []
    environment = os.environ | dict(settings.node or {})
    environment |= {"PYTHONPATH": python_path(ROOT), "ISTHMUS_HOME": str(settings.home.path)}
    with _log(home) as log:
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(tell,),
            start_new_session=True,
        )
    os.close(tell)
    with os.fdopen(told) as answer:
        line = answer.readline()
    document: Mapping[str, Any] = json.loads(line) if line else {}
    if "url" in document:
        print(f"Isthmus serves {document['url']}; `isthmus down` stops it.")
        return 0
    raise Unavailable(
        document.get("detail", "The runtime ended before it served."),
        next_step=document.get("next_step", f"Read the end of {home.runtime_log}."),
        code="local/start",
    )


def _log(home: Home) -> Any:
    """The runtime's own log, begun anew when it has grown."""
    home.runtime_log.parent.mkdir(parents=True, exist_ok=True)
    if home.runtime_log.exists() and home.runtime_log.stat().st_size > _MAX_LOG_BYTES:
        home.runtime_log.replace(rotated(home.runtime_log, 1))
    return home.runtime_log.open("ab")
