"""What access control costs each call: the authorizer, and the operation's own two steps; CPU time, warm."""

import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

CALLS = 300
DECISIONS = 3_000
ROUNDS = 5
PATH = "/v1/pipeline/runs"


def measure() -> dict[str, tuple[float, str]]:
    """The worse of two kinds of keys in milliseconds per call, and microseconds per decision of the policies."""
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-") as folder:
        worst = max(_call_ms(Path(folder, algorithm), algorithm) for algorithm in ("EdDSA", "ES256"))
    return {"access_ms": (round(worst, 3), "ms"), "cedar_us": (round(_decision_us(), 1), "us")}


def _call_ms(folder: Path, algorithm: Any) -> float:
    """CPU milliseconds to authorize a DPoP request and to know and permit its caller in the operation."""
    from functions.auth.authorize import authorize
    from functions.pipeline.list_runs import ListRuns, list_runs
    from isthmus import wiring
    from isthmus.access import proving
    from isthmus.request import Channel
    from tests.proofs import ORIGIN, Place, request

    folder.mkdir()
    place, context = Place(folder), SimpleNamespace(aws_request_id="bench")
    place.owner = proving.new_key(algorithm)
    token = _token(place)

    def asked() -> dict[str, Any]:
        proof = proving.dpop(place.owner, "GET", ORIGIN + PATH, place.now_s, token)
        event = request("GET", PATH, {"authorization": f"DPoP {token}", "dpop": proof})
        return event | {"type": "REQUEST", "routeArn": "arn"}

    def call(event: dict[str, Any]) -> None:
        told = authorize(event, context)["context"]
        caller = list_runs.authenticate(Channel.HTTP, {"requestContext": {"authorizer": {"lambda": told}}})
        list_runs.authorize(caller, ListRuns())
        assert caller.role == "owner"

    with wiring.replaced(place.ports), _logging_nowhere():
        best = min(_cpu_s(call, [asked() for _ in range(CALLS)]) for _ in range(ROUNDS))
    return best / CALLS * 1e3


@contextmanager
def _logging_nowhere() -> Iterator[None]:
    """Let log lines be made as ever, and written to nowhere."""
    from isthmus.log import logger

    logger()
    handlers: list[Any] = logging.getLogger("isthmus").handlers
    with Path(os.devnull).open("w") as nowhere:
        for handler in handlers:
            handler.stream = nowhere
        try:
            yield
        finally:
            for handler in handlers:
                handler.stream = sys.stdout


def _token(place: Any) -> str:
    """An access token bound to the place's key."""
    from isthmus.access import tokens
    from isthmus.access.caller import Caller
    from tests.proofs import ORIGIN

    caller = Caller("did", place.owner.did, "owner", scopes=("*",), authenticated_ms=place.clock.now)
    return tokens.issue(place.keys, caller, ORIGIN, place.owner.secret.public.thumbprint, place.now_s)


def _decision_us() -> float:
    """CPU microseconds to ask the policies about a client's request."""
    from functions.pipeline.list_runs import list_runs
    from isthmus.access.policy import decide
    from tests.callers import CALLERS

    def ask(_: int) -> None:
        assert decide(CALLERS["client"], list_runs.action, now_ms=1_000).allowed

    ask(0)
    return min(_cpu_s(ask, range(DECISIONS)) for _ in range(ROUNDS)) / DECISIONS * 1e6


def _cpu_s(work: Callable[[Any], None], arguments: Iterable[Any]) -> float:
    started = time.process_time()
    for argument in arguments:
        work(argument)
    return time.process_time() - started
