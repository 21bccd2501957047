"""A node that goes away during a run costs time, not data."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.bitcoind import RegtestNode
from infra.local.demo_chain import build_chain

pytestmark = [pytest.mark.node, pytest.mark.system]

PATIENCE_S = 90


def ended(system: Any, run_id: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while (run := system.get(f"/v1/pipeline/runs/{run_id}"))["status"] == "running":
        assert time.monotonic() < deadline, run
        time.sleep(0.2)
    return run


def started(system: Any) -> str:
    """A run, as soon as the breaker lets a request find out that the node is back."""
    deadline = time.monotonic() + PATIENCE_S
    while (answer := system.post("/v1/pipeline/runs", {})).status == 503:
        assert time.monotonic() < deadline, answer.body
        time.sleep(0.2)
    return str(answer.json["run_id"])


def test_batches_are_parked_with_their_reason_and_collected_when_the_node_is_back(
    fresh_node: Callable[..., RegtestNode], system_on: Callable[..., Any]
) -> None:
    node = fresh_node()
    build_chain(node, blocks=30, transactions=600, seed=9)
    node.stop()
    node = fresh_node(datadir=node.datadir)
    system = system_on(node)
    run_id = system.post("/v1/pipeline/runs", {}).json["run_id"]
    node.stop()

    parked = ended(system, run_id)

    assert parked["status"] == "parked"
    assert parked["progress"].get("stored", 0) < parked["batches"]
    assert {batch["reason"]["kind"] for batch in parked["parked"]} == {"unavailable"}
    assert all(batch["reason"]["stage"] == "collect" for batch in parked["parked"])
    assert system.get("/v1/health")["status"] != "up"

    fresh_node(datadir=node.datadir, options=())
    again = started(system)
    assert ended(system, again)["status"] == "complete"
    analysis = system.get("/v1/pipeline/analysis?blocks=1")
    assert (analysis["first"], analysis["last"]) == (0, parked["last"])
