"""Whether an aggregate is what its events say."""

import json

from functions.state.verify_state import verify_state
from tests.faults.calls import SmallWorld


def test_what_is_whole_is_said_to_be(here: SmallWorld, paid: str) -> None:
    status, body, _ = here.call(verify_state, {"aggregate": paid})
    assert (status, body["state"], body["version"]) == (200, "succeeded", 2)


def test_a_head_that_was_changed_is_noticed(here: SmallWorld, paid: str) -> None:
    head = json.loads(here.table.items[f"journal/{paid}", "head"])
    here.table.items[f"journal/{paid}", "head"] = json.dumps(head | {"state": "refused"})
    status, body, _ = here.call(verify_state, {"aggregate": paid})

    assert (status, body["type"]) == (500, "/problems/integrity/state/wrong-head")


def test_an_event_that_was_changed_is_noticed(here: SmallWorld, paid: str) -> None:
    key = (f"journal/{paid}", "event/000000000002")
    here.table.items[key] = json.dumps(json.loads(here.table.items[key]) | {"by": "mallory"})
    status, body, _ = here.call(verify_state, {"aggregate": paid})

    assert (status, body["type"]) == (500, "/problems/integrity/state/broken-chain")


def test_another_tenants_aggregate_is_answered_like_none(here: SmallWorld, paid: str) -> None:
    assert here.call(verify_state, {"aggregate": paid}, caller=here.owner("other"))[0] == 404
