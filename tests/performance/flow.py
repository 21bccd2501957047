"""The control flow's own cost: five steps around a function that does nothing."""

import os
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace

CALLS = 5_000
ROUNDS = 5


def measure() -> dict[str, tuple[float, str]]:
    """Microseconds of CPU per warm call, log line included; the best of some rounds."""
    from functions.pipeline.list_runs import ListRuns, Runs
    from isthmus.operation import Effect, operation
    from tests.callers import OWNER

    def list_nothing(request: ListRuns) -> Runs:
        return Runs(runs=(), next=None)

    list_nothing.__module__ = "functions.pipeline.list_nothing"
    nothing = operation("GET /v1/nothing", effect=Effect.READ)(list_nothing)
    event = {
        "version": "2.0",
        "headers": {"host": "127.0.0.1", "accept": "application/json"},
        "queryStringParameters": {"limit": "5"},
        "requestContext": {
            "requestId": "bench",
            "http": {"method": "GET", "path": "/v1/nothing"},
            "authorizer": OWNER,
        },
    }
    context = SimpleNamespace(aws_request_id="bench")
    best = float("inf")
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        assert nothing(event, context)["statusCode"] == 200
        for _ in range(ROUNDS):
            started = time.process_time()
            for _ in range(CALLS):
                nothing(event, context)
            best = min(best, time.process_time() - started)
    sys.stdout.flush()
    return {"flow_us": (round(best / CALLS * 1e6, 1), "us")}
