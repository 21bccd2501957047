"""What a wallet has, from what the node says of it."""

from decimal import Decimal
from typing import Any

import pytest

from isthmus.bitcoin.coins import MANY, Held, coins, held, node_outpoint, outpoint
from isthmus.failure import Unavailable
from tests.core.bitcoin.asking import Node
from tests.readable import refusal

TILL = "isthmus.main.till"
UNDOCUMENTED = (Unavailable, "bitcoin/undocumented")


def coin(number: int, sat: int) -> dict[str, Any]:
    return {"txid": "c" * 64, "vout": number, "amount": Decimal(sat) / 100_000_000}


def wallet(trusted: int, pending: int, confirmed: tuple[int, ...] = (), waiting: tuple[int, ...] = ()) -> Node:
    """A wallet whose coins are these, in satoshi; of its balance the node says `trusted` and `pending`."""
    first = [coin(number, sat) for number, sat in enumerate(confirmed)]
    second = [coin(number, sat) for number, sat in enumerate(waiting, len(first))]
    mine = {"trusted": trusted, "untrusted_pending": pending, "immature": 5_000_000_000}
    return Node(
        getbalances={"mine": {name: Decimal(sat) / 100_000_000 for name, sat in mine.items()}},
        listunspent=lambda _, most, *rest: second if most == 0 else [*first, *second],
    )


def test_what_waits_is_told_apart_from_what_is_confirmed_whoever_it_is_from() -> None:
    asked = wallet(70_000, 20_000, (60_000,), (10_000, 20_000))

    assert held(asked, TILL, ()) == Held(
        confirmed_sat=60_000, pending_sat=30_000, immature_sat=5_000_000_000, leased_sat=0
    )
    assert {one[0] for one in asked.asked} == {TILL}
    assert [one[1] for one in asked.asked] == ["getbalances", "listunspent"]


def test_what_payments_hold_is_counted_if_it_is_the_wallets() -> None:
    asked = wallet(80_000, 0, (60_000, 20_000))

    assert held(asked, TILL, {f"{'c' * 64}:1", f"{'d' * 64}:0"}).leased_sat == 20_000
    assert {one[0] for one in asked.asked} == {TILL}


def test_a_block_between_the_questions_makes_no_balance_negative() -> None:
    assert held(wallet(10_000, 0, (), (30_000,)), TILL, ()).confirmed_sat == 0


def test_the_wallet_is_asked_for_all_its_coins_or_for_some() -> None:
    asked = wallet(0, 0, (1,))
    coins(asked, TILL)
    coins(asked, TILL, min_confirmations=2, max_confirmations=9, min_sat=546)

    assert asked.asked == [
        (TILL, "listunspent", 0, MANY, [], True, {"minimumAmount": "0.00000000"}),
        (TILL, "listunspent", 2, 9, [], True, {"minimumAmount": "0.00000546"}),
    ]


def test_coins_are_in_the_order_of_their_outpoints() -> None:
    found = [{"txid": "b" * 64, "vout": 0}, {"txid": "a" * 64, "vout": 10}, {"txid": "a" * 64, "vout": 9}]
    named = [outpoint(one) for one in coins(Node(listunspent=found), TILL)]

    assert named == ["a" * 64 + ":9", "a" * 64 + ":10", "b" * 64 + ":0"]
    assert node_outpoint(named[1]) == {"txid": "a" * 64, "vout": 10}


@pytest.mark.parametrize("reply", [None, {}, ["a coin"], [{}], [{"txid": "a" * 64}], [{"txid": "a", "vout": "first"}]])
def test_coins_of_another_shape_are_not_understood(reply: object) -> None:
    assert refusal(lambda: coins(Node(listunspent=reply), TILL)) == UNDOCUMENTED


@pytest.mark.parametrize("amount", [{}, {"amount": None}, {"amount": "0.1"}, {"amount": 0.1}])
def test_a_coin_without_an_amount_is_not_understood(amount: dict[str, Any]) -> None:
    asked = wallet(0, 0)
    asked.answers["listunspent"] = [{"txid": "a" * 64, "vout": 0} | amount]
    assert refusal(lambda: held(asked, TILL, ())) == UNDOCUMENTED


@pytest.mark.parametrize("reply", [None, {}, {"mine": None}, {"mine": {"trusted": Decimal(1)}}])
def test_a_balance_of_another_shape_is_not_understood(reply: object) -> None:
    assert refusal(lambda: held(Node(getbalances=reply), TILL, ())) == UNDOCUMENTED
