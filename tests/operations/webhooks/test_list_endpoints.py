"""Who is called, for those who may know."""

from functions.webhooks.list_endpoints import list_endpoints
from tests.operations.webhooks.conftest import Receiver, Site


def test_a_tenant_sees_its_own_endpoints_only(site: Site, receiver: Receiver) -> None:
    mine = site.endpoint(receiver, "house.*")

    (shown,) = site.call(list_endpoints, {})[1]["endpoints"]
    assert (shown["endpoint_id"], shown["topics"], shown["status"]) == (mine["endpoint_id"], ["house.*"], "enabled")
    assert site.call(list_endpoints, {}, site.stranger())[1] == {"endpoints": []}


def test_a_tenant_whose_name_begins_like_anothers_sees_nothing_of_it(site: Site, receiver: Receiver) -> None:
    site.endpoint(receiver, who=site.owner("main-two"))
    assert site.call(list_endpoints, {})[1] == {"endpoints": []}
