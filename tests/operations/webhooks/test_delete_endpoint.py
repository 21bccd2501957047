"""Who is forgotten is called no more."""

from functions.webhooks.delete_endpoint import delete_endpoint
from functions.webhooks.list_endpoints import list_endpoints
from isthmus.webhooks.deliveries import DUE
from tests.operations.webhooks.conftest import Receiver, Site


def test_what_waits_for_a_deleted_endpoint_is_never_sent(site: Site, receiver: Receiver) -> None:
    made = site.endpoint(receiver)
    receiver.status = 500
    site.happen()
    site.deliver()
    status, body = site.call(delete_endpoint, {"endpoint_id": made["endpoint_id"]})
    site.ms += 3_600_000
    site.happen()

    assert (status, "secret" in body) == (200, False)
    assert site.deliver() == {"made": 0, "delivered": 0, "failed": 0}
    assert site.call(list_endpoints, {})[1] == {"endpoints": []}
    assert site.table.query(DUE).rows == ()


def test_another_tenants_endpoint_is_answered_like_none(site: Site, receiver: Receiver) -> None:
    made = site.endpoint(receiver)
    theirs = site.call(delete_endpoint, {"endpoint_id": made["endpoint_id"]}, site.stranger())
    nobodys = site.call(delete_endpoint, {"endpoint_id": "0" * 16}, site.stranger())

    assert theirs[0] == 404
    assert {**theirs[1], "instance": ""} == {**nobodys[1], "instance": ""}
