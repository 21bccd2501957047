"""A secret is changed without a call that nobody can verify."""

from functions.webhooks.rotate_secret import rotate_secret
from isthmus.webhooks.endpoints import OVERLAP_MS
from tests.operations.webhooks.conftest import Receiver, Site


def test_for_a_day_both_secrets_verify_and_then_only_the_new_one(site: Site, receiver: Receiver) -> None:
    old = site.endpoint(receiver)
    status, new = site.call(rotate_secret, {"endpoint_id": old["endpoint_id"]})
    site.happen()
    site.deliver()
    site.ms += OVERLAP_MS
    site.happen()
    site.deliver()

    assert (status, new["rotating_until_ms"]) == (200, site.ms)
    assert old["secret"] != new["secret"]
    during, after = receiver.got
    assert len(during.headers["webhook-signature"].split(" ")) == 2
    assert during.signed_with(old["secret"])
    assert during.signed_with(new["secret"])
    assert after.signed_with(new["secret"])
    assert not after.signed_with(old["secret"])


def test_a_secret_is_not_changed_twice_a_day(site: Site, receiver: Receiver) -> None:
    made = site.endpoint(receiver)
    site.call(rotate_secret, {"endpoint_id": made["endpoint_id"]})
    status, body = site.call(rotate_secret, {"endpoint_id": made["endpoint_id"]})

    assert (status, body["type"]) == (409, "/problems/conflict/webhooks/rotating")


def test_another_tenants_endpoint_is_answered_like_none(site: Site, receiver: Receiver) -> None:
    made = site.endpoint(receiver)
    assert site.call(rotate_secret, {"endpoint_id": made["endpoint_id"]}, site.stranger())[0] == 404
