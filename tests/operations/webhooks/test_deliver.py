"""Events are sent to a real HTTP server, signed, at least once, and again when they are not taken."""

from dataclasses import replace
from typing import Any

import pytest

from functions.webhooks.deliver import deliver
from functions.webhooks.enable_endpoint import enable_endpoint
from functions.webhooks.list_endpoints import list_endpoints
from isthmus import wiring
from isthmus.failure import Unavailable
from isthmus.outbound import Outgoing
from isthmus.outbound.door import Door
from isthmus.ports import Outbound
from isthmus.webhooks import deliveries, sending
from isthmus.webhooks.deliveries import CLAIM_MS, DUE, LADDER_S
from tests.operations.webhooks.conftest import HUSH, SCHEDULED, Receiver, Site

DAY_MS = 86_400_000


def test_an_event_is_sent_with_a_signature_that_the_endpoints_secret_verifies(site: Site, receiver: Receiver) -> None:
    endpoint = site.endpoint(receiver)
    happened = site.happen()
    assert site.deliver() == {"made": 1, "delivered": 1, "failed": 0}

    (got,) = receiver.got
    assert got.signed_with(endpoint["secret"])
    assert not got.signed_with(endpoint["secret"].replace("whsec_", "whsec_AAAA"))
    assert got.headers["webhook-timestamp"] == str(site.ms // 1000)
    assert (got.id, got.headers["content-type"]) == (f"evt_{happened[:32]}", "application/json")


def test_an_event_says_what_happened_and_nothing_that_is_sealed(site: Site, receiver: Receiver) -> None:
    site.endpoint(receiver)
    site.happen()
    site.deliver()

    assert receiver.got[0].told == {
        "type": "house.door.built",
        "timestamp": "2027-01-15T08:00:00.000Z",
        "data": {
            "number": 1,
            "aggregate": "house/door/front",
            "version": 1,
            "state": "shut",
            "data": {"wood": "oak", "cost_msat": str(2**60), "tenant": "main"},
        },
    }
    assert HUSH.encode() not in receiver.got[0].body


def test_what_was_taken_is_not_sent_again(site: Site, receiver: Receiver) -> None:
    site.endpoint(receiver)
    site.happen()
    site.deliver()
    site.ms += DAY_MS

    assert site.deliver() == {"made": 0, "delivered": 0, "failed": 0}
    assert site.table.query(DUE).rows == ()


def test_what_happened_before_the_endpoint_is_not_sent(site: Site, receiver: Receiver) -> None:
    site.happen()
    site.endpoint(receiver)
    site.happen()
    site.deliver()

    assert [one.told["type"] for one in receiver.got] == ["house.door.opened"]


@pytest.mark.parametrize(
    ("topics", "types"),
    [
        ((), ["house.door.built", "house.gate.built", "house.door.opened"]),
        (("house.door.opened",), ["house.door.opened"]),
        (("house.door.*",), ["house.door.built", "house.door.opened"]),
        (("house.*",), ["house.door.built", "house.gate.built", "house.door.opened"]),
        (("house.do.*", "house"), []),
    ],
)
def test_an_endpoint_is_called_about_its_topics(
    site: Site, receiver: Receiver, topics: tuple[str, ...], types: list[str]
) -> None:
    site.endpoint(receiver, *topics)
    for name in ("house/door/front", "house/gate/north", "house/door/front"):
        site.happen(name)
    site.deliver()

    assert sorted(one.told["type"] for one in receiver.got) == sorted(types)


def test_another_tenants_events_are_not_sent(site: Site, receiver: Receiver, second: Receiver) -> None:
    site.endpoint(receiver)
    site.endpoint(second, who=site.stranger())
    site.happen("house/door/mine")
    site.happen("house/door/theirs", tenant="other")
    site.deliver()

    assert [one.told["data"]["aggregate"] for one in receiver.got] == ["house/door/mine"]
    assert [one.told["data"]["aggregate"] for one in second.got] == ["house/door/theirs"]


def test_what_is_not_taken_is_tried_along_the_ladder_always_with_the_same_id_and_body(
    site: Site, receiver: Receiver
) -> None:
    endpoint = site.endpoint(receiver)
    site.happen()
    receiver.status = 500
    waits = []
    for _ in LADDER_S:
        before = site.ms
        assert site.deliver()["failed"] == 1
        (shown,) = site.deliveries(endpoint)
        if shown["due_ms"]:
            waits.append((shown["due_ms"] - before) / 1000)
            site.ms = shown["due_ms"] - 1
            assert site.deliver()["failed"] == 0
            site.ms = shown["due_ms"]

    assert all(least <= wait <= least * 1.1 for least, wait in zip(LADDER_S[1:], waits, strict=True))
    assert (shown["status"], shown["attempts"], shown["code"]) == ("failed", len(LADDER_S), "http/500")
    assert len({(one.id, one.body) for one in receiver.got}) == 1
    assert len({one.headers["webhook-timestamp"] for one in receiver.got}) == len(LADDER_S)
    assert all(one.signed_with(endpoint["secret"]) for one in receiver.got)
    assert site.table.query(DUE).rows == ()


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 503])
def test_only_success_is_success_and_no_redirect_is_followed(
    site: Site, receiver: Receiver, second: Receiver, status: int
) -> None:
    endpoint = site.endpoint(receiver)
    receiver.status, receiver.location = status, second.url
    site.happen()

    assert site.deliver() == {"made": 1, "delivered": 0, "failed": 1}
    assert site.deliveries(endpoint)[0]["status"] == "waiting"
    assert second.got == []


def test_who_is_back_gets_everything(site: Site, receiver: Receiver) -> None:
    endpoint = site.endpoint(receiver)
    receiver.status = 503
    for _ in range(5):
        site.happen()
        site.deliver()
    receiver.status = 204
    site.ms += 3_600_000
    while site.deliver()["delivered"]:
        site.ms += 1_000

    assert {one.told["data"]["version"] for one in receiver.got} == {1, 2, 3, 4, 5}
    assert {one["status"] for one in site.deliveries(endpoint)} == {"delivered"}
    assert site.call(list_endpoints, {})[1]["endpoints"][0]["failing_ms"] is None


def test_one_that_fails_holds_nobody_up(site: Site, receiver: Receiver, second: Receiver) -> None:
    site.endpoint(receiver)
    site.endpoint(second)
    receiver.status = 500
    for number in range(40):
        site.happen(f"house/door/{number}")
    site.deliver()

    assert len(second.got) == 40
    assert len(receiver.got) <= sending.AT_ONCE


def test_an_endpoint_that_fails_for_days_is_called_no_more(site: Site, receiver: Receiver) -> None:
    endpoint = site.endpoint(receiver)
    receiver.status = 500
    for _ in range(4):
        site.happen()
        site.deliver()
        site.ms += DAY_MS
    calls = len(receiver.got)
    (shown,) = site.call(list_endpoints, {})[1]["endpoints"]
    site.happen()
    site.deliver()

    assert (shown["status"], shown["disabled_ms"] - shown["failing_ms"] >= 3 * DAY_MS) == ("disabled", True)
    assert len(receiver.got) == calls
    assert {one["status"] for one in site.deliveries(endpoint)} == {"failed"}


def test_who_says_it_is_gone_is_called_no_more_at_once(site: Site, receiver: Receiver) -> None:
    site.endpoint(receiver)
    receiver.status = 410
    site.happen()
    site.deliver()

    assert site.call(list_endpoints, {})[1]["endpoints"][0]["status"] == "disabled"


def test_nobody_inside_is_called_however_it_is_written(site: Site, receiver: Receiver) -> None:
    endpoint = site.endpoint(receiver)
    site.happen()
    with wiring.replaced({Outbound: Door()}):
        assert site.deliver()["failed"] == 1

    assert site.deliveries(endpoint)[0]["code"] == "outbound/refused"
    assert receiver.got == []


class Dying:
    """A process that ends right after it has sent something, before it could write that down."""

    def __init__(self) -> None:
        self.door = Door.to_this_machine_too()

    def check(self, url: str) -> None:
        self.door.check(url)

    def fetch(self, outgoing: Outgoing) -> Any:
        self.door.fetch(outgoing)
        raise KeyboardInterrupt


def test_who_dies_after_sending_leaves_a_delivery_that_is_sent_again(site: Site, receiver: Receiver) -> None:
    site.endpoint(receiver)
    site.happen()
    with wiring.replaced({Outbound: Dying()}), pytest.raises(KeyboardInterrupt):
        deliver(SCHEDULED, None)
    assert site.deliver()["delivered"] == 0
    site.ms += CLAIM_MS

    assert site.deliver()["delivered"] == 1
    assert len({one.id for one in receiver.got}) == 1
    assert len(receiver.got) == 2


def test_two_that_make_deliveries_at_once_make_each_once(
    site: Site, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = site.endpoint(receiver)
    for _ in range(3):
        site.happen()
    right, met = deliveries.feed.read, list[int]()

    def read(table: Any, *, after: int, limit: int) -> Any:
        found = right(table, after=after, limit=limit)
        if not met:
            met.append(1)
            site.deliver()
        return found

    monkeypatch.setattr(deliveries.feed, "read", read)
    site.deliver()

    assert len(site.deliveries(endpoint)) == len(receiver.got) == 3


def test_who_does_not_answer_is_noted_without_a_status(site: Site, receiver: Receiver) -> None:
    endpoint = site.endpoint(receiver)
    site.happen()

    class Silent:
        def check(self, url: str) -> None:
            """It is fine."""

        def fetch(self, outgoing: Outgoing) -> Any:
            raise Unavailable("No answer.", next_step="Repeat.", code="outbound/timeout")

    with wiring.replaced({Outbound: Silent()}):
        assert site.deliver()["failed"] == 1
    (shown,) = site.deliveries(endpoint)
    assert (shown["code"], shown["http_status"]) == ("outbound/timeout", None)


def test_an_endpoint_ends_with_the_access_of_who_made_it(site: Site, receiver: Receiver) -> None:
    leaver = replace(site.owner(), id="did:key:zLeaver")
    endpoint = site.endpoint(receiver, who=leaver)
    site.leave("did:key:zLeaver")
    site.happen()

    assert site.deliver() == {"made": 0, "delivered": 0, "failed": 0}
    (shown,) = site.call(list_endpoints, {})[1]["endpoints"]
    assert shown["status"] == "disabled"

    assert site.call(enable_endpoint, {"endpoint_id": endpoint["endpoint_id"]})[0] == 200
    assert site.deliver()["delivered"] == 1
    assert len(receiver.got) == 1
