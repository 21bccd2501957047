"""What happens on the running system reaches whoever follows it: over the API, and by webhooks with a signature."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.local.bitcoind import RegtestNode
from tests.operations.webhooks.conftest import Receiver, receiving
from tests.system.spending import Till

pytestmark = [pytest.mark.node, pytest.mark.system]


@pytest.fixture
def till(fresh_node: Callable[..., RegtestNode], system_on: Callable[..., Any]) -> Till:
    """A system that may call this machine, with an empty wallet."""
    node = fresh_node()
    return Till(node, system_on(node, ISTHMUS_OUTBOUND_LOOPBACK="1"))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def invoked(till: Till, operation: str) -> Any:
    """What an operation answers that only schedules start, or state machines."""
    return json.loads(till.system.isthmus("invoke", operation, "{}").stdout)


def changes(till: Till) -> list[str]:
    """The topics of all changes, page by page."""
    after, topics = 0, list[str]()
    while True:
        page = till.system.get(f"/v1/state/changes?limit=2&after={after}")
        topics += [one["topic"] for one in page["changes"]]
        after = page["next"]
        if not page["more"]:
            return topics


def test_a_payment_is_told_to_who_follows_and_to_who_wants_to_be_called(till: Till, receiver: Receiver) -> None:
    till.open(1)
    wanted = {"url": receiver.url, "topics": ["ledger.payment.*"]}
    endpoint = till.system.post("/v1/webhooks/endpoints", wanted)
    (payee,) = till.payees(1)
    paid = till.pay("rent", payee).json
    moved = till.system.post("/v1/state/publish", {})
    invoked(till, "deliver")

    assert (endpoint.status, moved.status) == (201, 200)
    assert [one.told["type"] for one in sorted(receiver.got, key=_number)] == [
        "ledger.payment.prepared",
        "ledger.payment.succeeded",
    ]
    assert all(one.signed_with(endpoint.json["secret"]) for one in receiver.got)
    assert paid["txid"] in receiver.got[0].body.decode()
    assert "payload" not in receiver.got[0].body.decode()
    assert [one for one in changes(till) if one.startswith("ledger.")] == [
        "ledger.payment.prepared",
        "ledger.payment.succeeded",
    ]
    state = till.system.get(f"/v1/state?aggregate=ledger/payment/{paid['payment_id']}")
    verified = till.system.get(f"/v1/state/verify?aggregate=ledger/payment/{paid['payment_id']}")
    assert (state["state"], state["hash"]) == ("succeeded", verified["hash"])
    assert till.system.get("/v1/bitcoin/wallets/till/reconciliation?days=90")["differences"] == []


def _number(one: Any) -> int:
    return int(one.told["data"]["number"])
