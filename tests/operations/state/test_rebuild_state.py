"""A head that is wrong or gone is written anew from its events."""

import json

import pytest

from functions.state.get_state import get_state
from functions.state.rebuild_state import rebuild_state
from functions.state.verify_state import verify_state
from tests.faults.calls import SmallWorld


@pytest.mark.parametrize("wrong", [{"state": "refused"}, {"data": {"tenant": "other"}}, None])
def test_a_wrong_or_lost_head_is_what_the_events_say_again(
    here: SmallWorld, paid: str, wrong: dict[str, object] | None
) -> None:
    before = here.call(get_state, {"aggregate": paid})[1]
    row = (f"journal/{paid}", "head")
    item = json.loads(here.table.items.pop(row))
    if wrong is not None:
        here.table.items[row] = json.dumps(item | wrong)
    assert here.call(verify_state, {"aggregate": paid})[0] == 500
    status, body, _ = here.call(rebuild_state, {"aggregate": paid})

    assert (status, body) == (200, before)
    assert here.call(verify_state, {"aggregate": paid})[0] == 200
    assert "payload" in json.loads(here.table.items[row])["data"]


def test_events_that_are_broken_are_built_upon_by_nobody(here: SmallWorld, paid: str) -> None:
    del here.table.items[f"journal/{paid}", "event/000000000002"]
    here.table.items.pop((f"journal/{paid}", "event/000000000001"))
    assert here.call(rebuild_state, {"aggregate": paid})[0] == 404


def test_what_is_not_there_cannot_be_rebuilt(here: SmallWorld) -> None:
    assert here.call(rebuild_state, {"aggregate": "ledger/payment/none"})[0] == 404
