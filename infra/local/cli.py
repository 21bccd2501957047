"""The command line, `isthmus`: a table of subcommands, each in a module that is imported when it is asked for."""

import argparse
import importlib
import io
import sys
from collections.abc import Sequence
from typing import Any

from isthmus.failure import Failure

COMMANDS = {
    "up": ("infra.local.commands.up", "start the system on this machine"),
    "down": ("infra.local.commands.down", "stop it"),
    "status": ("infra.local.commands.status", "what runs, what is due, which node"),
    "logs": ("infra.local.commands.logs", "what the functions print"),
    "call": ("infra.local.commands.call", "call an operation over HTTP, fields as options"),
    "invoke": ("infra.local.commands.invoke", "invoke an operation as a state machine's task does"),
    "pipeline": ("infra.local.commands.pipeline", "run the chain pipeline and watch it"),
    "key": ("infra.local.commands.key", "make, list and revoke API keys"),
    "identity": ("infra.local.commands.identity", "make a DID to call as somebody else than the owner"),
    "mine": ("infra.local.commands.mine", "mine blocks on the regtest node of this machine"),
    "run": ("infra.local.commands.run", "run everything here on a real node: a chain, the pipeline, the schedule"),
}
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; the exit code is 0 for success, 1 for a failure that was explained, 2 for wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character still shows the rest
    parser = argparse.ArgumentParser(prog="isthmus", description="Isthmus on one machine.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    asked = next((word for word in given if not word.startswith("-")), "")
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if name == asked:
            command.set_defaults(module=_load(module, command))
    options = parser.parse_args(given)
    try:
        code: int = options.module.run(options)
    except Failure as failure:
        print(f"{failure.detail}\n{failure.next_step}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read the output has seen enough, as in `isthmus logs | head`
        return 0
    return code


def _load(module: str, parser: argparse.ArgumentParser) -> Any:
    command = importlib.import_module(module)
    command.arguments(parser)
    return command


if __name__ == "__main__":
    sys.exit(main())
