"""Who was given up is called again, about everything that happened meanwhile."""

from functions.webhooks.enable_endpoint import enable_endpoint
from tests.operations.webhooks.conftest import Receiver, Site


def test_nothing_that_happened_meanwhile_is_left_out(site: Site, receiver: Receiver) -> None:
    made = site.endpoint(receiver)
    receiver.status = 410
    site.happen()
    site.deliver()
    for _ in range(3):
        site.happen()
        site.deliver()
    receiver.status = 200
    status, body = site.call(enable_endpoint, {"endpoint_id": made["endpoint_id"]})
    site.deliver()

    assert (status, body["status"], body["disabled_ms"], body["failing_ms"]) == (200, "enabled", None, None)
    assert sorted(one.told["data"]["version"] for one in receiver.got) == [1, 2, 3, 4]


def test_one_that_is_enabled_stays_as_it_is(site: Site, receiver: Receiver) -> None:
    made = site.endpoint(receiver)
    assert site.call(enable_endpoint, {"endpoint_id": made["endpoint_id"]})[1]["status"] == "enabled"


def test_another_tenants_endpoint_is_answered_like_none(site: Site, receiver: Receiver) -> None:
    made = site.endpoint(receiver)
    assert site.call(enable_endpoint, {"endpoint_id": made["endpoint_id"]}, site.stranger())[0] == 404
