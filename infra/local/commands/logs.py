"""`isthmus logs`: what the functions print, as JSON lines."""

import argparse
import os
import sys

from infra.local.home import home_of
from infra.local.logs import follow, read


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("-f", "--follow", action="store_true", help="then show what is printed from now on")
    parser.add_argument(
        "--function", metavar="NAME", help="one function only, by operation (get_block) or id (GetBlock)"
    )


def run(options: argparse.Namespace) -> int:
    """Copy the log to the standard output."""
    path = home_of(os.environ).functions_log
    name = "".join(word[:1].upper() + word[1:] for word in options.function.split("_")) if options.function else None
    newer = follow(path, name)
    for line in read(path, name):
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
    if options.follow:
        for line in newer:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
    return 0
