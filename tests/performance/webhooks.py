"""How soon an event is told: from writing it into the journal to the call of a webhook, on the running system."""

from datetime import datetime
from statistics import median

from tests.operations.webhooks.conftest import receiving
from tests.system.running import running
from tests.system.spending import Till

PAYMENTS = 20
PATIENCE_S = 150
TOPIC = "ledger.payment.succeeded"


def measure() -> dict[str, tuple[float, str]]:
    """The median milliseconds of payments that are made one after the other."""
    with receiving() as receiver, running(ISTHMUS_OUTBOUND_LOOPBACK="1") as (system, node):
        assert system.post("/v1/webhooks/endpoints", {"url": receiver.url, "topics": [TOPIC]}).status == 201
        till = Till(node, system)
        till.open(PAYMENTS)
        (payee,) = till.payees(1)
        for number in range(1, PAYMENTS + 1):
            assert till.pay(str(number), payee).status == 201
            receiver.wait_for(number, PATIENCE_S)
        waited = [one.at_s - datetime.fromisoformat(one.told["timestamp"]).timestamp() for one in receiver.got]
    return {"webhook_ms": (round(median(waited) * 1000), "ms")}
