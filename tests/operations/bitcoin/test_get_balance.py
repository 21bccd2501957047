"""What a wallet holds, and what of it payments hold."""

from collections.abc import Iterator

import pytest

from functions.bitcoin.get_balance import get_balance
from functions.bitcoin.send_payment import send_payment
from tests.faults.calls import SmallWorld
from tests.faults.wallet_world import wallet_world
from tests.operations.ledger.test_get_payment import WANTED


@pytest.fixture
def here() -> Iterator[SmallWorld]:
    with wallet_world() as made:
        yield made


def test_a_balance_is_in_whole_satoshi(here: SmallWorld) -> None:
    status, body, _ = here.call(get_balance, {"wallet": "till"})

    assert status == 200
    assert body == {"confirmed_sat": 170_000, "pending_sat": 0, "immature_sat": 5_000_000_000, "leased_sat": 0}


def test_what_an_unsettled_payment_holds_is_told(here: SmallWorld) -> None:
    here.node.lose = True
    here.call(send_payment, WANTED, idempotency_key="one")
    here.node.mempool.clear()  # it has not arrived

    assert here.call(get_balance, {"wallet": "till"})[1]["leased_sat"] == 80_000


def test_no_wallet_and_another_tenants_wallet_are_one_answer(here: SmallWorld) -> None:
    theirs = here.call(get_balance, {"wallet": "till"}, caller=here.owner("other"))
    nobodys = here.call(get_balance, {"wallet": "none"}, caller=here.owner("other"))

    assert (theirs[0], theirs[1]["type"]) == (404, "/problems/not-found/bitcoin/no-wallet")
    assert theirs[1] == nobodys[1]
