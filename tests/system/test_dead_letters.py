"""A scheduled event on which a function fails for good: kept, repeated, given up; and what failed is published."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.client import send

pytestmark = pytest.mark.system

PATIENCE_S = 60
FUNCTIONS = "/2015-03-31/functions"


def started(system: Any, operation: str, kind: str, detail: dict[str, Any]) -> int:
    """Invoke a function as its schedule does, through the control API."""
    address = json.loads((system.home / "runtime.json").read_text())
    event = {"source": "aws.scheduler", "resources": [operation], "detail": detail}
    headers = {"authorization": f"Bearer {address['token']}", "x-amz-invocation-type": kind}
    path = f"{FUNCTIONS}/{operation}/invocations"
    return send(address["control"], "POST", path, body=json.dumps(event).encode(), headers=headers).status


def letters(system: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = system.get("/v1/faults/letters")["letters"]
    return found


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_event_that_failed_for_good_is_redriven_with_its_letter_and_discarded(
    system_on: Callable[..., Any],
) -> None:
    system = system_on(None, ISTHMUS_RETRY_PAUSE_S="0")
    assert started(system, "reconcile_chain", "Event", {"poison": 1}) == 202
    until(lambda: len(letters(system)) == 1)
    (letter,) = letters(system)
    assert (letter["function"], letter["error"], letter["state"]) == (
        "isthmus-ReconcileChain",
        "Invalid",
        "waiting",
    )
    assert json.loads(letter["event"])["detail"] == {"poison": 1}

    address = f"/v1/faults/letters/{letter['letter_id']}"
    assert system.post(f"{address}/redrive", {}).status == 202
    until(lambda: letters(system)[0]["failures"] >= letter["failures"] + 1)
    again = letters(system)[0]
    assert (again["letter_id"], again["state"]) == (letter["letter_id"], "waiting")
    assert again["attempts"] >= letter["attempts"] + 3

    given_up = system.send("DELETE", f"{address}?reason=there%20is%20no%20node")
    assert given_up.status == 200
    assert (given_up.json["state"], given_up.json["discarded"]) == ("discarded", "there is no node")


def test_what_fails_is_published_and_counted(system_on: Callable[..., Any]) -> None:
    system = system_on(None)
    assert system.send("GET", "/v1/bitcoin/chain").status == 503
    assert started(system, "analyze_faults", "RequestResponse", {}) == 200

    published = [json.loads(line) for line in (system.home / "events.jsonl").read_text().splitlines()]
    new = [one["detail"] for one in published if one["detail-type"] == "fault group new"]
    assert "bitcoin/unreachable" in {one["code"] for one in new}
    assert len({one["id"] for one in new}) == len(new)
    logged = (system.home / "logs" / "functions.log").read_text().splitlines()
    counted = [line for line in map(json.loads, logged) if "Failures" in line]
    assert {(line["kind"], line["domain"]) for line in counted} >= {("unavailable", "bitcoin")}
