"""How soon an event is told: from writing it into the journal to the call of a webhook, on the running system."""

import json
from datetime import datetime
from statistics import median
from typing import Any

from infra.local.bitcoind import RegtestNode
from infra.local.signing import Signer
from tests.operations.webhooks.conftest import receiving
from tests.performance.runtime import running

PAYMENTS = 20
MATURE = 101
PATIENCE_S = 150
TOPIC = "ledger.payment.succeeded"


def measure() -> dict[str, tuple[float, str]]:
    """The median milliseconds of payments that are made one after the other."""
    with receiving() as receiver, running(ISTHMUS_OUTBOUND_LOOPBACK="1") as (signer, node):
        _post(signer, "/v1/webhooks/endpoints", {"url": receiver.url, "topics": [TOPIC]})
        address = _fund(signer, node)
        for number in range(1, PAYMENTS + 1):
            _pay(signer, address, str(number))
            receiver.wait_for(number, PATIENCE_S)
        waited = [one.at_s - datetime.fromisoformat(one.told["timestamp"]).timestamp() for one in receiver.got]
    return {"webhook_ms": (round(median(waited) * 1000), "ms")}


def _fund(signer: Signer, node: RegtestNode) -> str:
    """A wallet with a coin for each payment; an address of its own."""
    _post(signer, "/v1/bitcoin/wallets", {"name": "till"})
    address: str = _post(signer, "/v1/bitcoin/wallets/till/addresses", {})["address"]
    node.rpc("generatetoaddress", PAYMENTS, address)
    node.mine(MATURE)
    return address


def _pay(signer: Signer, address: str, key: str) -> None:
    paid = {"recipients": [{"address": address, "amount_sat": 20_000}], "wallet": "till"}
    _post(signer, "/v1/bitcoin/payments", paid | {"max_fee_sat": 50_000, "feerate_sat_per_kvb": 2_000}, key)


def _post(signer: Signer, path: str, body: dict[str, Any], key: str = "") -> Any:
    headers = {"content-type": "application/json"} | ({"idempotency-key": key} if key else {})
    answer = signer.send("POST", path, body=json.dumps(body).encode(), headers=headers)
    assert answer.status == 201, answer.body
    return json.loads(answer.body)
