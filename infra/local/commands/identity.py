"""`isthmus identity new`: a DID and its key in a file, to call as somebody else than the owner."""

import argparse
import sys
from pathlib import Path

from infra.local.identity import create


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    action = actions.add_parser("new", help="make a DID with its key and print the DID")
    action.add_argument("file", type=Path, help="where the key goes; ISTHMUS_IDENTITY names it for later calls")


def run(options: argparse.Namespace) -> int:
    """Make the file; the DID alone goes to the standard output."""
    path: Path = options.file.absolute()
    print(create(path).did)
    print(f"The key is in {path}. Call with it: ISTHMUS_IDENTITY={path} isthmus call ...", file=sys.stderr)
    return 0
