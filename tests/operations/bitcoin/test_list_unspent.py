"""The coins of a wallet, in pages."""

from collections.abc import Iterator

import pytest

from functions.bitcoin.list_unspent import list_unspent
from functions.bitcoin.send_payment import send_payment
from tests.faults.calls import SmallWorld
from tests.faults.wallet_world import wallet_world
from tests.operations.ledger.test_get_payment import WANTED


@pytest.fixture
def here() -> Iterator[SmallWorld]:
    with wallet_world() as made:
        made.node.coins |= {"c" * 64 + f":{index}": 1_000 + index for index in range(9, 12)}
        yield made


def test_coins_come_in_pages_by_txid_and_number_of_the_output(here: SmallWorld) -> None:
    found, after = [], None
    for _ in range(3):
        page = here.call(list_unspent, {"wallet": "till", "limit": 2} | ({"after": after} if after else {}))[1]
        found += [(one["txid"][-1], one["vout"], one["value_sat"]) for one in page["coins"]]
        after = page["next"]

    assert after is None
    assert found == [("1", 0, 80_000), ("2", 0, 90_000), ("c", 9, 1_009), ("c", 10, 1_010), ("c", 11, 1_011)]
    assert page["n_found"] == 5


def test_small_coins_can_be_left_out(here: SmallWorld) -> None:
    body = here.call(list_unspent, {"wallet": "till", "min_amount_sat": 85_000})[1]
    assert (body["total_sat"], body["n_found"]) == (90_000, 1)


def test_a_coin_that_an_unsettled_payment_holds_is_marked(here: SmallWorld) -> None:
    here.node.lose = True
    here.call(send_payment, WANTED | {"coins": ["c" * 63 + "2:0"]}, idempotency_key="one")
    here.node.mempool.clear()
    body = here.call(list_unspent, {"wallet": "till"})[1]

    assert [one["leased"] for one in body["coins"]].count(True) == 1


def test_a_label_that_was_not_given_here_is_not_shown(here: SmallWorld) -> None:
    assert here.call(list_unspent, {"wallet": "till"})[1]["coins"][0]["label"] is None


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [({"after": "x"}, "/after"), ({"limit": 501}, "/limit"), ({"min_amount_sat": "0.5"}, "/min_amount_sat")],
)
def test_what_is_wrong_is_named(here: SmallWorld, wrong: dict[str, object], pointer: str) -> None:
    status, body, _ = here.call(list_unspent, {"wallet": "till"} | wrong)
    assert (status, body["errors"][0]["pointer"]) == (422, pointer)
