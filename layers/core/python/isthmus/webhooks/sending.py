"""Sending what is due: one call for each, many at a time, and what it says of the endpoint."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pydantic import SecretStr

from isthmus import journal, state
from isthmus.failure import Conflict, Failure, Integrity
from isthmus.outbound import Outgoing
from isthmus.ports import Clock, Outbound
from isthmus.storage.table import Row, Table
from isthmus.webhooks import deliveries, endpoints
from isthmus.webhooks.deliveries import DUE, Delivery
from isthmus.webhooks.endpoints import Endpoint
from isthmus.webhooks.signing import headers

AT_ONCE = 8
DISABLED_AFTER_MS = 3 * 86_400_000
"""An endpoint for which every call of three days has failed is not called any more."""

GONE = 410
"""An endpoint that says this wants nothing any more (RFC 9110 section 15.5.11)."""

_PAGE = 256


@dataclass
class Round:
    """One round of sending.

    Args:
        more: whether there is time for another call.
        failing: endpoints that have just failed; what else is due for them waits for the next round, so that nobody
            waits for the answers that do not come.
    """

    table: Table
    outbound: Outbound
    clock: Clock
    more: Callable[[], bool]
    failing: set[str] = field(default_factory=set)
    delivered: int = 0
    failed: int = 0

    def run(self) -> None:
        """Try everything that is due, each at most once."""
        after: str | None = None
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while self.more():
                page = self.table.query(DUE, after=after, limit=_PAGE)
                due = [row for row in page.rows if int(row.sk.split("/")[0]) <= self.clock.now_ms()]
                for outcome in pool.map(self._tried, due):
                    self.delivered += outcome is True
                    self.failed += outcome is False
                after = page.after
                if after is None or len(due) < len(page.rows):
                    return

    def _tried(self, row: Row) -> bool | None:
        """Whether it was delivered; None if it was not tried."""
        endpoint_id, delivery_id = row.item["endpoint_id"], row.item["delivery_id"]
        if endpoint_id in self.failing or not self.more():
            return None
        endpoint = endpoints.find(self.table, row.item["tenant"], endpoint_id)
        if endpoint is None:
            self.table.delete(DUE, row.sk)
            return None
        now_ms = self.clock.now_ms()
        if endpoint.status == "disabled":
            deliveries.abandon(self.table, endpoint, delivery_id, row.sk, now_ms)
            return None
        tried = deliveries.claim(self.table, endpoint, delivery_id, row.sk, now_ms)
        return None if tried is None else self._called(endpoint, tried)

    def _called(self, endpoint: Endpoint, tried: Delivery) -> bool:
        status, code = self._answer(endpoint, tried)
        now_ms = self.clock.now_ms()
        if not code:
            deliveries.succeeded(self.table, endpoint, tried, status, now_ms)
        else:
            self.failing.add(endpoint.endpoint_id)
            deliveries.failed(self.table, endpoint, tried, status, code, now_ms)
        judged = judge(endpoint, status, failed=code.startswith(("http/", "outbound/")), now_ms=now_ms)
        if judged != endpoint:
            with suppress(Conflict):  # it was changed meanwhile; the next call judges it again
                endpoints.save(self.table, judged)
        return not code

    def _answer(self, endpoint: Endpoint, tried: Delivery) -> tuple[int, str]:
        """The status of the endpoint's answer, and why that is a failure, if it is."""
        try:
            made = message(self.table, tried)
        except Integrity as broken:
            return 0, broken.code
        try:
            told = headers(endpoint.secrets(self.clock.now_ms()), tried.message_id, self.clock.now_ms() // 1000, made)
            outgoing = Outgoing(
                endpoint.url,
                method="POST",
                headers={"content-type": "application/json"},
                credentials={name: SecretStr(value) for name, value in told.items()},
                body=made,
            )
            status = self.outbound.fetch(outgoing).status
        except Failure as failure:
            return 0, failure.code
        return status, "" if 200 <= status < 300 else f"http/{status}"


def judge(endpoint: Endpoint, status: int, *, failed: bool, now_ms: int) -> Endpoint:
    """The endpoint after a call: it works, fails since a while, or is given up."""
    if not failed:
        return replace(endpoint, failing_ms=0)
    since = endpoint.failing_ms or now_ms
    if status == GONE or now_ms - since >= DISABLED_AFTER_MS:
        return replace(endpoint, failing_ms=since, status="disabled", disabled_ms=now_ms)
    return replace(endpoint, failing_ms=since)


def message(table: Table, delivery: Delivery) -> bytes:
    """What an endpoint is sent, always the same for the same event; nothing of it is secret.

    Raises:
        Integrity: the journal has no such event any more.
        Unavailable: the store does not answer.
    """
    event = next(iter(journal.history(table, delivery.aggregate, after=delivery.aggregate_version - 1, limit=1)), None)
    if event is None or event.version != delivery.aggregate_version:
        raise Integrity(
            "An event that was fed is not in the journal.",
            next_step="verify_state says what else is missing; restore the table to a time before the damage.",
            code="webhooks/no-event",
        )
    at = datetime.fromtimestamp(event.at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    told = {
        "type": delivery.topic,
        "timestamp": f"{at}.{event.at_ms % 1000:03d}Z",
        "data": {
            "number": int(delivery.delivery_id),
            "aggregate": event.aggregate,
            "version": event.version,
            "state": event.state,
            "data": state.shown(event.data),
        },
    }
    return json.dumps(told, separators=(",", ":")).encode()
