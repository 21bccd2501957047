"""A node that dies behind the running system: nobody waits for it, and one request finds out that it is back."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from infra.local.bitcoind import RegtestNode

pytestmark = [pytest.mark.node, pytest.mark.system]

PATIENCE_S = 90
CHAIN, MEMPOOL = "/v1/bitcoin/chain", "/v1/bitcoin/mempool"
OPEN = "/problems/unavailable/breaker/open"


def transitions(system: Any) -> list[tuple[str, str]]:
    """What the breaker went through, as the functions' log says."""
    lines = [json.loads(line) for line in (system.home / "logs" / "functions.log").read_text().splitlines()]
    return [(line["was"], line["state"]) for line in lines if line.get("message") == "breaker"]


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def refused_for(system: Any, path: str) -> Any:
    """The answer of an open breaker; the requests before it find out, or probe in vain."""
    deadline = time.monotonic() + PATIENCE_S
    while (answer := system.send("GET", path)).json["type"] != OPEN:
        assert answer.status == 503, answer.body
        assert time.monotonic() < deadline
    return answer


def test_the_breaker_opens_answers_at_once_and_one_probe_closes_it(
    fresh_node: Callable[..., RegtestNode], system_on: Callable[..., Any]
) -> None:
    node = fresh_node(blocks=5)
    system = system_on(node)
    assert system.get(CHAIN)["height"] == 5
    node.kill()

    refused_for(system, CHAIN)
    refused = refused_for(system, MEMPOOL)  # another function, which never asked the node

    assert (refused.status, refused.json["type"]) == (503, "/problems/unavailable/breaker/open")
    assert int(refused.headers["retry-after"]) <= 30
    assert (refused.json["money_moved"], refused.json["repeat"]) == ("no", "same-key")
    assert system.get("/v1/health")["bitcoin"]["reason"] == "bitcoin/unreachable"
    (shown,) = system.get("/v1/faults/breakers")["breakers"]
    assert (shown["neighbour"], shown["state"] in ("open", "half-open")) == ("bitcoin", True)

    fresh_node(datadir=node.datadir)
    with ThreadPoolExecutor(4) as pool:
        until(lambda: all(answer.status == 200 for answer in pool.map(lambda _: system.send("GET", CHAIN), range(4))))

    seen = transitions(system)
    assert seen[0] == ("closed", "open")
    assert seen[-1] == ("half-open", "closed")
    assert seen.count(("half-open", "closed")) == 1
    assert seen.count(("open", "half-open")) == seen.count(("half-open", "open")) + 1
    assert system.get("/v1/faults/breakers")["breakers"][0]["state"] == "closed"


def test_a_person_may_close_it_before_its_time(
    fresh_node: Callable[..., RegtestNode], system_on: Callable[..., Any]
) -> None:
    node = fresh_node(blocks=1)
    system = system_on(node)
    node.kill()
    refused_for(system, CHAIN)
    fresh_node(datadir=node.datadir)

    assert system.post("/v1/faults/breakers/bitcoin/reset", {}).json["state"] == "closed"

    until(lambda: bool(system.send("GET", CHAIN).status == 200))
