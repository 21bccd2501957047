"""What became of the calls."""

from functions.webhooks.list_deliveries import list_deliveries
from tests.operations.webhooks.conftest import Receiver, Site


def test_deliveries_come_the_newest_first_and_page_by_page(site: Site, receiver: Receiver) -> None:
    made = site.endpoint(receiver)
    for _ in range(3):
        site.happen()
    site.deliver()
    status, page = site.call(list_deliveries, {"endpoint_id": made["endpoint_id"], "limit": 2})
    rest = site.deliveries(made, limit=2, before=page["next"])

    assert status == 200
    assert [one["aggregate_version"] for one in page["deliveries"] + rest] == [3, 2, 1]
    assert page["deliveries"][0]["http_status"] == 200


def test_only_those_of_a_status_are_shown_if_asked(site: Site, receiver: Receiver) -> None:
    made = site.endpoint(receiver)
    site.happen()
    site.deliver()
    receiver.status = 500
    site.happen()
    site.deliver()

    assert [one["aggregate_version"] for one in site.deliveries(made, status="waiting")] == [2]
    assert [one["aggregate_version"] for one in site.deliveries(made, status="delivered")] == [1]


def test_another_tenants_endpoint_is_answered_like_none(site: Site, receiver: Receiver) -> None:
    made = site.endpoint(receiver)
    assert site.call(list_deliveries, {"endpoint_id": made["endpoint_id"]}, site.stranger())[0] == 404
