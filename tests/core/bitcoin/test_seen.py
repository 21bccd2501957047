"""What a node says of a transaction is believed only in the form that it documents."""

from typing import Any

import pytest

from isthmus.bitcoin.seen import confirmations, decided, mined, waits
from isthmus.failure import Failure, NotFound, Unavailable
from tests.operations.bitcoin.fakes import TXID, not_found

NONE = not_found("bitcoin/no-transaction")
COIN = f"{TXID}:0"


class FakeNode:
    """Answers each method with a value or a failure; of wallets by their name."""

    def __init__(self, **replies: Any) -> None:
        self.replies = {"getrawtransaction": NONE, "gettxout": None, "getindexinfo": {}} | replies

    def call(self, method: str, *params: Any, deadline_s: float = 20.0, wallet: str = "") -> Any:
        reply = self.replies[f"{method}_{wallet}" if wallet else method]
        if isinstance(reply, Failure):
            raise reply
        return reply


def node(**replies: Any) -> Any:
    return FakeNode(**replies)


def known(number: Any) -> dict[str, Any]:
    return {"txid": TXID, "confirmations": number}


def test_only_an_entry_of_the_mempool_waits() -> None:
    assert waits(node(getmempoolentry={"wtxid": TXID}), TXID)
    assert not waits(node(getmempoolentry=NONE), TXID)


@pytest.mark.parametrize("nonsense", [None, 7, [], {}, "wtxid"])
def test_what_is_no_entry_says_nothing(nonsense: Any) -> None:
    with pytest.raises(Unavailable):
        waits(node(getmempoolentry=nonsense), TXID)


def test_confirmations_are_of_the_wallet_or_of_the_node() -> None:
    both = node(gettransaction_till=known(3), getrawtransaction={"txid": TXID})
    assert (confirmations(both, "till", TXID), confirmations(both, "", TXID)) == (3, 0)
    assert confirmations(node(gettransaction_till=NONE), "till", TXID) is None


@pytest.mark.parametrize("nonsense", [None, 7, [], {}, {"txid": "ab" * 32}, known("3"), known(None), known(True)])
def test_another_transaction_or_no_number_says_nothing(nonsense: Any) -> None:
    with pytest.raises(Unavailable):
        confirmations(node(getrawtransaction=nonsense), "", TXID)


def test_a_wallet_that_is_gone_says_nothing_of_the_transaction() -> None:
    with pytest.raises(NotFound):
        confirmations(node(gettransaction_till=not_found("bitcoin/no-wallet")), "till", TXID)


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ({"gettransaction_till": known(2)}, True),
        ({"gettransaction_till": known(-1)}, False),
        ({"getrawtransaction": known(2)}, True),
        ({"gettxout": {"value": 1}}, True),
        ({"getindexinfo": {"txindex": {"synced": True}}}, False),
        ({"getindexinfo": {"txindex": {"synced": False}}}, None),
        ({}, None),
    ],
)
def test_a_wallet_an_index_or_an_unspent_output_shows_what_is_mined(
    replies: dict[str, Any],
    expected: object,
) -> None:
    assert mined(node(**{"gettransaction_till": NONE} | replies), "till", TXID, 1) is expected


@pytest.mark.parametrize("nonsense", [None, [], {"txindex": 7}])
def test_an_index_is_believed_in_its_form_only(nonsense: Any) -> None:
    with pytest.raises(Unavailable):
        mined(node(getindexinfo=nonsense), "", TXID, 1)


def test_a_coin_is_decided_when_it_is_spent_or_what_makes_it_is_excluded() -> None:
    assert decided(node(listwallets=["a", "till"], gettransaction_a=NONE, gettransaction_till=known(1)), COIN)
    assert decided(node(listwallets=["till"], gettransaction_till=known(-1)), COIN)


def test_a_coin_that_is_unspent_or_still_waits_or_is_strange_is_not_decided() -> None:
    assert not decided(node(gettxout={"value": 1}), COIN)
    assert not decided(node(listwallets=["till"], gettransaction_till=known(0)), COIN)
    assert not decided(node(listwallets=["till"], gettransaction_till=NONE), COIN)


def test_wallets_that_are_no_list_say_nothing() -> None:
    with pytest.raises(Unavailable):
        decided(node(listwallets=None), COIN)
