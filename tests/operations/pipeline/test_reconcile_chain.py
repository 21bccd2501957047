"""Keeping in step with the chain."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from functions.pipeline.reconcile_chain import ReconcileChain, reconcile_chain
from infra.local.bitcoind import RegtestNode
from infra.local.demo_chain import build_chain
from isthmus.pipeline import runs, stages

pytestmark = pytest.mark.node


def reconcile(desk: Any) -> Any:
    ports = (desk.table, desk.blobs, desk.node, desk.executions, desk.clock)
    return reconcile_chain.function(ReconcileChain(), *ports)


def in_step(desk: Any) -> None:
    """What the schedule and the state machine do until there is nothing to do."""
    while (found := reconcile(desk)).status != "in-step":
        assert found.status == "started"
        assert desk.finish(runs.find(desk.table, found.run.run_id)).status == "complete"


def test_without_tables_there_is_nothing_to_do(desk: Any) -> None:
    assert reconcile(desk).status == "empty"


def test_while_a_run_is_busy_no_other_starts(desk: Any) -> None:
    run = desk.plan(0, 4)

    found = reconcile(desk)

    assert (found.status, found.run.run_id) == ("busy", run.run_id)


def test_an_execution_that_never_started_is_started(desk: Any) -> None:
    run = desk.plan(0, 4)
    desk.executions.started.clear()
    desk.executions.statuses.clear()

    assert reconcile(desk).status == "busy"

    assert set(desk.executions.started) == {run.run_id}


def test_new_blocks_are_collected_when_they_are_followed(fresh_node: Callable[..., RegtestNode], desk_on: Any) -> None:
    node = fresh_node(blocks=10)
    desk = desk_on(node)
    desk.run()
    assert reconcile(desk).status == "in-step"
    node.mine(2)

    found = reconcile(desk)

    assert found.status == "started"
    assert [b["first"] for b in desk.executions.started[found.run.run_id]["batches"]] == [11, 12]


def test_a_first_run_that_died_is_taken_up_again(desk: Any) -> None:
    dead = desk.plan(100)
    desk.executions.statuses[dead.run_id] = "FAILED"
    desk.clock.now += 1
    assert reconcile(desk).status == "waiting"
    desk.clock.now += 60_000

    found = reconcile(desk)

    assert (found.status, found.run.follow_from) == ("started", 100)
    assert desk.finish(runs.find(desk.table, found.run.run_id)).status == "complete"


def test_new_blocks_are_left_alone_when_a_range_was_asked(fresh_node: Callable[..., RegtestNode], desk_on: Any) -> None:
    node = fresh_node(blocks=10)
    desk = desk_on(node)
    desk.run(0, 10)
    node.mine(2)

    assert reconcile(desk).status == "in-step"


def test_what_cannot_be_collected_is_tried_again_ever_more_rarely(
    fresh_node: Callable[..., RegtestNode], desk_on: Any
) -> None:
    node = fresh_node(blocks=3)
    desk = desk_on(node)
    desk.run()
    node.mine(1)
    waited: list[int] = []
    assert reconcile(desk).status == "started"

    for _ in range(4):
        newest = runs.newest(desk.table, 1, None)[0][0]
        desk.executions.statuses[newest.run_id] = "FAILED"
        waited.append(0)
        while reconcile(desk).status == "waiting":
            desk.clock.now += 60_000
            waited[-1] += 1

    assert waited == [1, 2, 4, 8]


def test_twenty_random_reorganisations_leave_the_tables_of_a_fresh_collection(
    fresh_node: Callable[..., RegtestNode], desk_on: Any
) -> None:
    node = fresh_node()
    build_chain(node, blocks=20, transactions=150, seed=11)
    desk = desk_on(node)
    desk.run(100)
    chance = random.Random(20)

    for number in range(20):
        tip = node.rpc("getblockcount")
        depth = chance.choice([1, 1, 2, 3, 5, 8, 13])
        node.rpc("invalidateblock", node.rpc("getblockhash", max(1, tip - depth + 1)))
        if blocks := chance.choice([0, depth, depth + 1, depth + 4]):
            node.mine(blocks, script_pubkey=f"02{number:04x}")
        in_step(desk)

        fresh = desk_on(node)
        fresh.run(100)
        assert desk.rows() == fresh.rows()


def test_a_reorganisation_between_collecting_and_storing_ends_parked_and_is_mended(
    fresh_node: Callable[..., RegtestNode], desk_on: Any
) -> None:
    node = fresh_node(blocks=8)
    desk = desk_on(node)
    desk.run(0, 6)
    run = desk.plan(0)
    for batch in desk.executions.started[run.run_id]["batches"]:
        stages.collect(desk.table, desk.blobs, desk.node, desk.sql, run.run_id, batch["first"])
    node.rpc("invalidateblock", node.rpc("getblockhash", 7))
    node.mine(3, script_pubkey="020001")

    desk.finish(run)
    in_step(desk)

    fresh = desk_on(node)
    fresh.run()
    assert desk.rows() == fresh.rows()
