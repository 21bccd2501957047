"""Making an API key."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from functions.access.create_key import CreateKey, create_key
from isthmus import wiring
from isthmus.access.api_keys import DAY_MS
from isthmus.failure import Forbidden, Invalid
from isthmus.ports import Clock, Deployment, Table
from tests.callers import authorizer


def created(site: Any, **asked: Any) -> Any:
    request = CreateKey(**{"name": "a client", "scopes": ("bitcoin:read",)} | asked)
    return create_key.function(request, site.owner, site.table, site.clock, site.deployment)


def test_a_key_is_a_client_that_reads_what_was_named_for_ninety_days_and_spends_nothing(site: Any) -> None:
    key = created(site)
    assert (key.status, key.role, key.scopes, key.created_by) == ("active", "client", ("bitcoin:read",), site.owner.id)
    assert (key.max_msat, key.day_msat, key.hour_count) == (0, 0, 0)
    assert key.expires_ms == site.clock.now + 90 * DAY_MS
    assert site.used(key.api_key.get_secret_value()).id == key.key_id


def test_the_secret_is_in_the_answer_s_json_and_in_nothing_that_is_printed_of_it(site: Any) -> None:
    key = created(site)
    secret = key.api_key.get_secret_value()
    assert json.loads(key.model_dump_json())["api_key"] == secret
    assert secret not in f"{key} {key!r} {key.model_dump()} {vars(key)}"


def test_whoever_asks_by_https_sees_the_key_once(site: Any) -> None:
    event = {
        "headers": {"content-type": "application/json"},
        "body": '{"name": "a", "scopes": ["*"], "role": "operator", "max_msat": "7", "day_msat": 9, "hour_count": 1}',
        "requestContext": {
            "requestId": "r",
            "http": {"method": "POST"},
            "authorizer": authorizer(replace(site.owner, authenticated_ms=site.clock.now)),
        },
    }
    with wiring.replaced({Table: site.table, Clock: site.clock, Deployment: site.deployment}):
        answer = create_key(event, None)
    shown = json.loads(answer["body"])
    assert answer["statusCode"] == 201
    assert (shown["role"], shown["max_msat"], shown["scopes"]) == ("operator", "7", ["*"])
    assert site.used(shown["api_key"]).role == "operator"


def test_a_key_makes_no_keys(site: Any) -> None:
    caller = site.used(created(site, role="operator", scopes=("*",)).api_key.get_secret_value())
    site.owner = caller
    with pytest.raises(Forbidden) as refused:
        created(site)
    assert refused.value.code == "access/key-by-key"


def test_a_misspelt_scope_is_named(site: Any) -> None:
    with pytest.raises(Invalid) as refused:
        created(site, scopes=("bitcoin:read", "bitcoin:raed"))
    assert [error.pointer for error in refused.value.errors] == ["/scopes/1"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": "owner"},
        {"role": "system"},
        {"scopes": ()},
        {"scopes": ("bitcoin:read",) * 65},
        {"name": ""},
        {"name": "x" * 65},
        {"expires_in_days": 0},
        {"expires_in_days": 366},
        {"max_msat": -1},
        {"day_msat": 1.5},
        {"hour_count": -1},
        {"tenant": "other"},
    ],
)
def test_what_no_key_can_be_is_refused(site: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        created(site, **wrong)
