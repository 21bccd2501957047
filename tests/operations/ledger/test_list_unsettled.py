"""The payments that nobody knows the outcome of."""

from collections.abc import Iterator

import pytest

from functions.bitcoin.send_payment import send_payment
from functions.ledger.list_unsettled import list_unsettled
from tests.faults.calls import SmallWorld, small_world
from tests.operations.ledger.test_get_payment import WANTED


@pytest.fixture
def here() -> Iterator[SmallWorld]:
    with small_world() as made:
        yield made


def lose_the_answer(here: SmallWorld, key: str) -> str:
    """A payment whose answer is lost; its location."""
    here.node.lose = True
    location = here.call(send_payment, WANTED, idempotency_key=key)[2]["location"]
    here.node.lose = False
    return location


def test_what_is_settled_is_not_in_the_list(here: SmallWorld) -> None:
    here.call(send_payment, WANTED, idempotency_key="one")
    assert here.call(list_unsettled, {})[1] == {"payments": [], "next": None}


def test_what_is_not_known_is_in_the_list_of_its_tenant(here: SmallWorld) -> None:
    location = lose_the_answer(here, "one")

    (shown,) = here.call(list_unsettled, {})[1]["payments"]
    assert (shown["state"], location.rpartition("/")[2]) == ("unknown", shown["payment_id"])
    assert here.call(list_unsettled, {}, caller=here.owner("other"))[1]["payments"] == []
