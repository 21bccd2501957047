"""Why a wallet cannot fund a payment, from what it has, and with how few coins it can."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from isthmus.bitcoin import codes
from isthmus.bitcoin.building import MAX_COINS, Draft, Funded, Recipient
from isthmus.bitcoin.funding import arriving_sat, funded, with_few_coins
from isthmus.failure import Failure, Invalid
from tests.faults.calls import ADDRESS
from tests.faults.node import OWN, TILL, ModelNode, opened
from tests.faults.world import World

AMOUNT_SAT = 50_000


@dataclass
class Wallet(ModelNode):
    """A wallet that builds nothing unless it is told which coins to spend, and what is known of them."""

    about: dict[str, Any] = field(default_factory=dict)
    estimate: dict[str, Any] = field(default_factory=lambda: {"feerate": 1})
    change: bool = True
    txouts: dict[str, Any] = field(default_factory=dict)

    def listunspent(self, least: int, *rest: Any) -> Any:
        return [one | self.about for one in super().listunspent(least, *rest)]

    def walletcreatefundedpsbt(self, inputs: Any, outputs: Any, locktime: int, options: Any) -> Any:
        if not inputs:
            raise codes.of_rpc("walletcreatefundedpsbt", -4)
        return super().walletcreatefundedpsbt(inputs, outputs, locktime, options)

    def estimatesmartfee(self, _: int) -> Any:
        return self.estimate

    def getrawchangeaddress(self) -> Any:
        if not self.change:
            raise codes.of_rpc("getrawchangeaddress", -4)
        return OWN

    def gettxout(self, txid: str, vout: int, mempool: bool) -> Any:  # noqa: FBT001 - the node's signature
        return self.txouts.get(f"{txid}:{vout}")


def wallet(coins: dict[str, int], **other: Any) -> Wallet:
    return Wallet(World({}, calm=True), coins, **other)


def coins(number: int, value_sat: int) -> dict[str, int]:
    return {f"{place:064x}:0": value_sat for place in range(number)}


def draft(amount_sat: int = AMOUNT_SAT, **other: Any) -> Draft:
    wanted: dict[str, Any] = {"max_fee_sat": 1_000, "feerate_sat_per_kvb": 2_000} | other
    return Draft(TILL, [Recipient(ADDRESS, amount_sat)], **wanted)


def refusal(node: Wallet, wanted: Draft, leased: tuple[str, ...] = ()) -> Failure:
    with pytest.raises(Failure) as refused:
        funded(node, wanted, leased)
    return refused.value


@pytest.mark.parametrize(
    ("has", "about", "wanted", "code", "pointer"),
    [
        ((1, 40_000), {}, {}, "bitcoin/not-funded", None),
        ((1, 50_000), {}, {}, "bitcoin/not-funded", None),
        ((1, 50_500), {}, {}, "bitcoin/not-funded", None),
        ((1, 90_000), {"about": {"safe": False}}, {}, "bitcoin/not-funded", None),
        (
            (1, 90_000),
            {"estimate": {"errors": ["none"]}},
            {"feerate_sat_per_kvb": None},
            "bitcoin/payment",
            "/feerate_sat_per_kvb",
        ),
        ((200, 300), {}, {}, "bitcoin/too-many-coins", "/recipients"),
        ((200, 250), {}, {"subtract_fee": [0]}, "bitcoin/too-many-coins", "/recipients"),
        ((1, 90_000), {}, {"amount_sat": 600, "subtract_fee": [0]}, "bitcoin/payment", "/subtract_fee"),
        (
            (1, 90_000),
            {},
            {"amount_sat": 600, "subtract_fee": [0], "max_fee_sat": 10},
            "bitcoin/payment",
            "/subtract_fee",
        ),
        ((1, 90_000), {"about": {"confirmations": 0, "ancestorcount": 25}}, {}, "bitcoin/chain-too-long", None),
        ((1, 90_000), {"change": False}, {}, "bitcoin/no-change-key", None),
        ((1, 90_000), {}, {}, "bitcoin/not-built", None),
    ],
)
def test_what_the_wallet_has_says_why_it_cannot(
    has: tuple[int, int], about: dict[str, Any], wanted: dict[str, Any], code: str, pointer: str | None
) -> None:
    failure = refusal(wallet(coins(*has), **about), draft(**wanted))

    assert (failure.code, [one.pointer for one in failure.errors]) == (code, [pointer] if pointer else [])


def test_coins_that_payments_hold_are_not_counted() -> None:
    node = wallet(coins(2, 40_000))
    assert "0 sat now" in refusal(node, draft(), tuple(node.coins)).detail


@pytest.mark.parametrize(
    ("txout", "why"),
    [
        (None, "spent already"),
        ({"scriptPubKey": {"address": ADDRESS}, "confirmations": 7}, "not a coin of this wallet"),
        ({"scriptPubKey": {}, "confirmations": 7}, "not a coin of this wallet"),
        ({"scriptPubKey": {"address": OWN}, "confirmations": 99, "coinbase": True}, "100 confirmations"),
    ],
)
def test_a_named_coin_that_cannot_be_spent_is_named(txout: Any, why: str) -> None:
    node = wallet(coins(1, 90_000), txouts={"f" * 64 + ":1": txout})
    failure = refusal(node, draft(coins=[*node.coins, "f" * 64 + ":1"]))

    (error,) = failure.errors
    assert (failure.code, error.pointer, why in error.message) == ("bitcoin/coins", "/coins/1", True)


def test_a_named_coin_that_is_locked_on_the_node_is_the_wallets_all_the_same() -> None:
    node = wallet(coins(1, 90_000))
    node.locked = set(node.coins)
    node.txouts = {coin: {"scriptPubKey": {"address": OWN}, "confirmations": 7} for coin in node.coins}

    assert funded(node, draft(coins=list(node.coins)), ()).fee_sat == 300


def test_as_few_coins_as_do_are_the_largest_ones() -> None:
    node = wallet(coins(100, 300) | {"e" * 64 + ":0": 30_000, "f" * 64 + ":0": 25_000})
    found = with_few_coins(node, draft(), (), 400)

    assert sorted(opened("decodepsbt", found.psbt)["coins"]) == ["e" * 64 + ":0", "f" * 64 + ":0"]


def test_more_coins_than_can_be_sent_are_refused() -> None:
    with pytest.raises(Invalid, match=f"more than {MAX_COINS} coins"):
        with_few_coins(wallet(coins(100, 800)), draft(), (), 400)


def test_recipients_who_pay_the_fee_get_less() -> None:
    found = Funded("", 300, None)
    assert [arriving_sat(draft(subtract_fee=one), found) for one in ([], [0])] == [50_000, 49_700]
