"""Payments that nobody knows the outcome of are looked up, sent again, and in the end a person's."""

from collections.abc import Iterator

import pytest

from functions.ledger.get_payment import get_payment
from functions.ledger.reconcile_payments import reconcile_payments
from isthmus.ledger.records import PATIENCE_MS
from tests.faults.calls import SmallWorld, small_world
from tests.operations.ledger.test_list_unsettled import lose_the_answer

SCHEDULED = {"source": "aws.scheduler", "resources": ["reconcile_payments"], "detail": {}}


@pytest.fixture
def here() -> Iterator[SmallWorld]:
    with small_world() as made:
        yield made


def state(here: SmallWorld, location: str) -> str:
    body = here.call(get_payment, {"payment_id": location.rpartition("/")[2]})[1]
    return str(body["state"])


def test_what_the_node_has_has_succeeded(here: SmallWorld) -> None:
    location = lose_the_answer(here, "one")
    here.ms += 6_000

    assert reconcile_payments(SCHEDULED, None) == {"states": {"succeeded": 1}}
    assert (state(here, location), len(here.node.sent)) == ("succeeded", 1)


def test_what_nobody_has_is_sent_again_under_the_same_identity(here: SmallWorld) -> None:
    location = lose_the_answer(here, "one")
    first = here.node.effects
    here.node.mempool.clear()
    here.ms += 6_000

    reconcile_payments(SCHEDULED, None)
    assert (state(here, location), here.node.effects) == ("succeeded", first)


def test_nobody_is_asked_before_it_is_due(here: SmallWorld) -> None:
    lose_the_answer(here, "one")
    assert reconcile_payments(SCHEDULED, None) == {"states": {}}


def test_at_the_end_of_the_patience_it_is_a_persons(here: SmallWorld) -> None:
    location = lose_the_answer(here, "one")
    here.node.unreachable = True
    here.ms += PATIENCE_MS

    assert reconcile_payments(SCHEDULED, None) == {"states": {"needs-person": 1}}
    here.node.unreachable = False
    assert state(here, location) == "needs-person"


def test_what_turns_up_later_is_no_longer_a_persons(here: SmallWorld) -> None:
    location = lose_the_answer(here, "one")
    here.node.unreachable = True
    here.ms += PATIENCE_MS
    reconcile_payments(SCHEDULED, None)
    here.node.unreachable = False
    here.ms += 3_600_000

    reconcile_payments(SCHEDULED, None)
    assert state(here, location) == "succeeded"
