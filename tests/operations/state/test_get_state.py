"""What an aggregate is, for those it belongs to."""

import json

import pytest

from functions.state.get_state import get_state
from isthmus.state import SEALED, shown
from tests.faults.calls import SmallWorld


def test_an_aggregate_is_shown_as_it_is_now(here: SmallWorld, paid: str) -> None:
    status, body, _ = here.call(get_state, {"aggregate": paid})

    assert (status, body["state"], body["version"]) == (200, "succeeded", 2)
    assert (body["data"]["spent_msat"], body["data"]["operation"]) == ("50300000", "bitcoin.send_payment")


def test_an_aggregate_is_shown_as_it_was(here: SmallWorld, paid: str) -> None:
    _, body, _ = here.call(get_state, {"aggregate": paid, "version": 1})

    assert (body["state"], body["version"], "spent_msat" in body["data"]) == ("sending", 1, False)


def test_what_is_signed_and_may_not_be_sent_yet_is_shown_to_nobody(here: SmallWorld, paid: str) -> None:
    head = json.loads(here.table.items[f"journal/{paid}", "head"])
    _, body, _ = here.call(get_state, {"aggregate": paid})

    assert head["data"]["payload"]
    assert "payload" not in body["data"]
    assert head["data"]["payload"] not in json.dumps(body)


@pytest.mark.parametrize("name", sorted(SEALED))
def test_what_is_sealed_is_hidden_at_any_depth(name: str) -> None:
    hidden = {name: "hush", "open": [{name: "hush", "deeper": {name: "hush"}}], "max_msat": 2**60}
    assert shown(hidden) == {"open": [{"deeper": {}}], "max_msat": str(2**60)}


@pytest.mark.parametrize("version", [3, 10**12 - 1])
def test_what_it_has_not_become_yet_is_not_there(here: SmallWorld, paid: str, version: int) -> None:
    assert here.call(get_state, {"aggregate": paid, "version": version})[0] == 404


def test_another_tenants_aggregate_is_answered_like_none(here: SmallWorld, paid: str) -> None:
    theirs = here.call(get_state, {"aggregate": paid}, caller=here.owner("other"))
    nobodys = here.call(get_state, {"aggregate": "ledger/payment/none"}, caller=here.owner("other"))

    assert theirs[0] == 404
    assert theirs[1] == nobodys[1]


@pytest.mark.parametrize("name", ["outbox", "feed", "", "ledger/", "/ledger", "ledger/../x/", "Ledger/x"])
def test_what_is_no_name_of_an_aggregate_is_refused(here: SmallWorld, paid: str, name: str) -> None:
    assert here.call(get_state, {"aggregate": name})[0] == 422
