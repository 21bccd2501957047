"""What was sent, or given up, is sent again by hand."""

from functions.webhooks.redeliver import redeliver
from isthmus.webhooks.deliveries import DUE
from tests.operations.webhooks.conftest import Receiver, Site


def ids(site: Site, receiver: Receiver) -> dict[str, str]:
    made = site.endpoint(receiver)
    site.happen()
    site.deliver()
    return {"endpoint_id": made["endpoint_id"], "delivery_id": site.deliveries(made)[0]["delivery_id"]}


def test_it_is_sent_again_under_the_same_id(site: Site, receiver: Receiver) -> None:
    wanted = ids(site, receiver)
    status, body = site.call(redeliver, wanted)

    assert (status, body["status"], body["attempts"]) == (202, "waiting", 0)
    assert site.deliver()["delivered"] == 1
    first, second = receiver.got
    assert (first.id, first.body) == (second.id, second.body)


def test_what_waits_for_its_next_attempt_is_tried_at_once_and_only_once(site: Site, receiver: Receiver) -> None:
    receiver.status = 500
    wanted = ids(site, receiver)
    receiver.status = 200
    site.call(redeliver, wanted)
    assert len(site.table.query(DUE).rows) == 1
    site.deliver()
    site.ms += 86_400_000

    assert site.deliver()["delivered"] == 0
    assert len(receiver.got) == 2


def test_who_is_disabled_is_enabled_first(site: Site, receiver: Receiver) -> None:
    receiver.status = 410
    wanted = ids(site, receiver)
    status, body = site.call(redeliver, wanted)

    assert (status, body["type"]) == (409, "/problems/precondition/webhooks/disabled")


def test_what_is_not_there_or_anothers_cannot_be_redelivered(site: Site, receiver: Receiver) -> None:
    wanted = ids(site, receiver)

    assert site.call(redeliver, wanted | {"delivery_id": "9" * 16})[0] == 404
    assert site.call(redeliver, wanted, site.stranger())[0] == 404
