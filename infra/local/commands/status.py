"""`isthmus status`: what runs, what is due, which node."""

import argparse
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from infra.local.client import control
from infra.local.home import find, home_of


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="everything, as one JSON document")


def run(options: argparse.Namespace) -> int:
    """Ask the runtime and print what it says."""
    address = find(home_of(os.environ))
    document: dict[str, Any] = json.loads(control(address, "GET", "/status").body)
    if options.json:
        print(json.dumps({"url": address.url, **document}, indent=2))
        return 0
    print(f"Isthmus serves {address.url} (process {document['pid']}, up {document['uptime_s']} s)")
    print(f"Home: {document['home']}")
    print(f"Node: {document['node'] or 'none; set ISTHMUS_BITCOIN_URL'}")
    for line in (*_functions(document), *_schedules(document), *_machines(document)):
        print(line)
    return 0


def _functions(document: Mapping[str, Any]) -> Iterator[str]:
    warm = [one for one in document["functions"] if one["workers"] or one["waiting"]]
    yield f"Functions: {len(document['functions'])}, {len(warm)} warm; {document['routes']} routes"
    for one in warm:
        yield f"  {one['function']}: {one['workers']} workers, {one['busy']} busy, {one['waiting']} waiting"


def _schedules(document: Mapping[str, Any]) -> Iterator[str]:
    yield f"Schedules: {len(document['schedules'])}"
    for one in document["schedules"]:
        state = "running" if one["running"] else f"next {_moment(one['next_due'])}"
        ended = f", last {_moment(one['last_due'])} {one['last_error'] or 'well'}" if one["last_due"] else ""
        yield f"  {one['name']} {one['expression']}: {state}{ended}"


def _machines(document: Mapping[str, Any]) -> Iterator[str]:
    yield f"State machines: {len(document['machines'])}"
    for machine in document["machines"]:
        yield f"  {machine['name']}"
        for one in machine["executions"]:
            yield f"    {one['name']}: {one['status']}, started {_moment(one['started'])}"


def _moment(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(" ", "seconds") if seconds is not None else "never"
