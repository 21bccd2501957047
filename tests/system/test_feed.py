"""What happens on the running system reaches whoever follows it: over the API, and by webhooks with a signature."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.local.bitcoind import RegtestNode
from tests.operations.webhooks.conftest import Receiver, receiving
from tests.system.spending import Till

pytestmark = [pytest.mark.node, pytest.mark.system]

PATIENCE_S = 150
"""Longer than the schedules take, so that it is the log which says whether anybody had to wait for one."""


@pytest.fixture
def till(fresh_node: Callable[..., RegtestNode], system_on: Callable[..., Any]) -> Till:
    """A system that may call this machine, with an empty wallet."""
    node = fresh_node()
    return Till(node, system_on(node, ISTHMUS_OUTBOUND_LOOPBACK="1"))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def started_by_streams(till: Till) -> set[str]:
    """The operations that news have started, not a schedule."""
    lines = (till.system.home / "logs" / "functions.log").read_text().splitlines()
    logged = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    return {one["operation"] for one in logged if one.get("channel") == "stream"}


def changes(till: Till) -> list[str]:
    """The topics of all changes, page by page."""
    after, topics = 0, list[str]()
    while True:
        page = till.system.get(f"/v1/state/changes?limit=2&after={after}")
        topics += [one["topic"] for one in page["changes"]]
        after = page["next"]
        if not page["more"]:
            return topics


def test_payments_are_told_at_once_to_who_follows_and_to_who_wants_to_be_called(till: Till, receiver: Receiver) -> None:
    till.open(2)
    wanted = {"url": receiver.url, "topics": ["ledger.payment.*"]}
    endpoint = till.system.post("/v1/webhooks/endpoints", wanted)
    assert endpoint.status == 201
    payees = till.payees(2)
    for number, (key, payee) in enumerate(zip(("rent", "bread"), payees, strict=True), 1):
        paid = till.pay(key, payee).json
        got = sorted(receiver.wait_for(2 * number, PATIENCE_S), key=_number)[-2:]
        assert [one.told["type"] for one in got] == ["ledger.payment.prepared", "ledger.payment.succeeded"]
        assert all(one.signed_with(endpoint.json["secret"]) for one in got)
        assert paid["txid"] in got[0].body.decode()
        assert "payload" not in got[0].body.decode()

    assert started_by_streams(till) >= {"state.publish_changes", "webhooks.deliver"}
    assert [one for one in changes(till) if one.startswith("ledger.")] == [
        "ledger.payment.prepared",
        "ledger.payment.succeeded",
    ] * 2
    state = till.system.get(f"/v1/state?aggregate=ledger/payment/{paid['payment_id']}")
    verified = till.system.get(f"/v1/state/verify?aggregate=ledger/payment/{paid['payment_id']}")
    assert (state["state"], state["hash"]) == ("succeeded", verified["hash"])
    assert till.system.get("/v1/bitcoin/wallets/till/reconciliation?days=90")["differences"] == []


def _number(one: Any) -> int:
    return int(one.told["data"]["number"])
