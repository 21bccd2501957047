"""`isthmus pipeline run`: run the chain pipeline over a range of heights and watch it."""

import argparse
import json
import os
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from infra.local.client import Answer
from infra.local.report import print_report
from infra.local.signing import Signer, signer
from isthmus.failure import Precondition, Refused

_POLL_S = 0.25
_PATIENCE_S = 86_400.0
_BUSY_PATIENCE_S = 600.0
_DONE = ("stored", "refused", "quarantined")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    action = actions.add_parser("run", help="collect, validate, process, store and analyze blocks")
    action.add_argument("--from", dest="first", type=int, required=True, metavar="HEIGHT", help="first block")
    action.add_argument(
        "--to", dest="last", type=int, metavar="HEIGHT", help="last block; without it the tip, and every block to come"
    )


def run(options: argparse.Namespace) -> int:
    """Run and report; 1 when batches are parked."""
    return 0 if run_pipeline(Console(), signer(os.environ), options.first, options.last) else 1


def run_pipeline(console: Console, system: Signer, first: int, last: int | None) -> bool:
    """Run until nothing remains of the range, and report; whether everything was stored.

    Raises:
        Precondition: the system refuses the run; it was told why.
    """
    asked = {"from_height": first} | ({} if last is None else {"to_height": last})
    started = time.monotonic()
    found: list[Any] = []
    while True:
        found.append(_watched(console, system, _started(system, asked)))
        if not found[-1]["remaining"] or found[-1]["status"] != "complete":
            break
    whole = found[-1] | {name: sum(one[name] for one in found) for name in ("transactions", "bytes", "batches")}
    whole["first"] = found[0]["first"]
    if whole["analysis"]:
        analysis = request(system, "/v1/pipeline/analysis?blocks=1000")
        print_report(console, whole, analysis, time.monotonic() - started)
    return bool(whole["status"] == "complete")


def _started(system: Signer, asked: Any) -> str:
    """The id of the run, which waits for one that the schedule may have started just before."""
    deadline = time.monotonic() + _BUSY_PATIENCE_S
    while True:
        answer = _post(system, asked)
        busy = not answer.ok and json.loads(answer.body).get("type", "").endswith("/pipeline/busy")
        if not busy or time.monotonic() > deadline:
            return str(_checked(answer)["run_id"])
        time.sleep(1)


def _post(system: Signer, body: Any) -> Answer:
    sent = json.dumps(body).encode()
    return system.send("POST", "/v1/pipeline/runs", body=sent, headers={"content-type": "application/json"})


def _watched(console: Console, system: Signer, run_id: str) -> Any:
    """Show a run's progress until it ends; a run whose state machine ended without it counts as failed."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    deadline = time.monotonic() + _PATIENCE_S
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("collect, validate, process", total=None)
        while time.monotonic() < deadline:
            shown = request(system, f"/v1/pipeline/runs/{run_id}")
            steps = {"collected": 1, "validated": 2, "processed": 3} | dict.fromkeys(_DONE, 3)
            done = sum(steps.get(status, 0) * count for status, count in shown["progress"].items())
            progress.update(bar, completed=done, total=3 * shown["batches"])
            if shown["status"] != "running":
                return shown
            time.sleep(_POLL_S)
    raise Refused(
        f"The run {run_id} has not ended within a day.",
        next_step=f"Look at it: `isthmus call get_run --run-id {run_id}`.",
    )


def request(system: Signer, path: str) -> Any:
    """The answer to one GET.

    Raises:
        Precondition: it was refused, for the reasons and with the next step of the answer.
    """
    return _checked(system.send("GET", path))


def _checked(answer: Answer) -> Any:
    document = json.loads(answer.body)
    if answer.ok:
        return document
    reasons = [f"{error['pointer']}: {error['message']}." for error in document.get("errors", [])]
    raise Precondition(" ".join([document["detail"], *reasons]), next_step=document["next_step"])
