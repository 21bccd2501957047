"""Endpoints are made with a secret that is shown once."""

import re

import pytest

from functions.webhooks.create_endpoint import create_endpoint
from functions.webhooks.list_endpoints import list_endpoints
from isthmus import wiring
from isthmus.outbound.door import Door
from isthmus.ports import Outbound
from isthmus.webhooks import endpoints
from isthmus.webhooks.endpoints import MAX_ENDPOINTS
from tests.operations.webhooks.conftest import Receiver, Site

GOOD = "https://hooks.example.com/isthmus"


def test_the_secret_is_in_this_answer_and_in_no_other(site: Site) -> None:
    status, made = site.call(create_endpoint, {"url": GOOD, "topics": ["ledger.payment.*"]})
    listed = site.call(list_endpoints, {})[1]

    assert status == 201
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", made["secret"])
    assert listed == {"endpoints": [{name: value for name, value in made.items() if name != "secret"}]}


def test_the_secret_is_in_no_log_and_no_repr(
    site: Site, receiver: Receiver, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    made = site.endpoint(receiver)
    receiver.status = 500
    site.happen()
    site.deliver()
    found = endpoints.owned(site.table, "main", made["endpoint_id"])
    printed = capfd.readouterr()

    for place in (caplog.text, printed.out, printed.err, repr(found), str(site.deliveries(made))):
        assert made["secret"].removeprefix("whsec_") not in place
        assert receiver.url not in place


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://hooks.example.com/",
            "https://127.0.0.1/",
            "https://10.0.0.1/",
            "https://[::1]/",
            "https://localhost/",
        ),
        *("https://169.254.169.254/latest", "https://user:secret@example.com/", "https://hooks.example.com:8443/"),
        *("ftp://example.com/hook", "https://metadata.internal/"),
    ],
)
def test_an_address_inside_or_in_a_strange_form_is_refused(site: Site, url: str) -> None:
    with wiring.replaced({Outbound: Door()}):
        status, body = site.call(create_endpoint, {"url": url})
    assert (status, body["type"]) == (422, "/problems/invalid/outbound/refused")


@pytest.mark.parametrize("topic", ["*", "ledger..*", "Ledger", "ledger.*.succeeded", ""])
def test_what_is_no_topic_is_refused(site: Site, topic: str) -> None:
    assert site.call(create_endpoint, {"url": GOOD, "topics": [topic]})[0] == 422


def test_a_tenant_has_a_limit_of_its_own(site: Site, receiver: Receiver) -> None:
    for _ in range(MAX_ENDPOINTS):
        site.endpoint(receiver)

    assert site.call(create_endpoint, {"url": receiver.url})[0] == 429
    assert site.call(create_endpoint, {"url": receiver.url}, site.stranger())[0] == 201
