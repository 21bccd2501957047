"""Signatures on what others have built: what is looked at before, and what lets go how much."""

from decimal import Decimal
from typing import Any

import pytest

from isthmus.bitcoin import signing
from isthmus.bitcoin.signing import MAX_SIGNED, Signatures, ToSign
from isthmus.effects import Prepared, Succeeded
from isthmus.failure import Failure, Invalid, Precondition, Refused
from isthmus.ledger.records import LEASES
from isthmus.storage.table import Put
from tests.core.bitcoin.asking import Node
from tests.faults.world import MemoryTable, World
from tests.readable import check_readable, refusal

TILL = "isthmus.main.till"
TXID, SOURCE = "a" * 64, "c" * 64
FIRST, SECOND = f"{SOURCE}:7", f"{SOURCE}:8"
OURS, THEIRS = "bcrt1qours", "bcrt1qtheirs"
SCRIPT = {"type": "witness_v0_keyhash", "hex": "0014" + "00" * 20, "asm": "0"}


def output(value: str, address: str) -> dict[str, Any]:
    return {"value": Decimal(value), "n": 0, "scriptPubKey": SCRIPT | {"address": address}}


def coin(value: str) -> dict[str, Any]:
    return {"witness_utxo": {"amount": Decimal(value), "scriptPubKey": SCRIPT}}


TX: dict[str, Any] = {
    "txid": TXID,
    "vin": [{"txid": SOURCE, "vout": 7, "sequence": 0}, {"txid": SOURCE, "vout": 8, "sequence": 0}],
    "vout": [output("0.0005", THEIRS), output("0.000297", OURS)],
}
INPUTS = [coin("0.0008"), {}]
ANALYSIS: dict[str, Any] = {"inputs": [{"next": "signer"}] * 2, "next": "signer", "fee": Decimal("0.000003")}
FINAL = {"final_scriptwitness": ["00"]}


def node(inputs: list[Any] | None = None, tx: dict[str, Any] | None = None, **other: Any) -> Node:
    """A node whose wallet knows what it spends, and signs: the given PSBT, then `updated`, then `signed`."""
    told = {"tx": TX | (tx or {}), "inputs": inputs or INPUTS}
    signed = {"tx": TX | (tx or {}), "inputs": [one | FINAL for one in inputs or INPUTS]}
    answers: dict[str, Any] = {
        "getblockchaininfo": {"chain": "main", "initialblockdownload": False},
        "getwalletinfo": {"private_keys_enabled": True},
        "walletprocesspsbt": lambda _, sign: {"psbt": "signed" if sign else "updated"},
        "decodepsbt": lambda psbt: told if psbt == "updated" else signed,
        "analyzepsbt": ANALYSIS,
        "gettxspendingprevout": lambda places: places,
        "getaddressinfo": lambda address: {"ismine": address == OURS},
    }
    return Node(**(answers | other))


def prepared(asked: Node, max_spent_sat: int = 100_000, leased: tuple[str, ...] = ()) -> Prepared:
    return Signatures(asked, lambda: leased).prepare(ToSign(TILL, "given", max_spent_sat))


def refused(asked: Node, **other: Any) -> Failure:
    with pytest.raises(Failure) as failure:
        prepared(asked, **other)
    check_readable(failure.value.problem("one"))
    assert ("walletprocesspsbt", "updated", True) not in [one[1:] for one in asked.asked]
    return failure.value


def why(failure: Failure) -> list[str]:
    assert failure.code == "bitcoin/psbt"
    assert {one.pointer for one in failure.errors} == {"/psbt"}
    return [one.message for one in failure.errors]


# what it lets go


def test_a_signature_is_prepared_of_what_the_wallet_knows_and_signs() -> None:
    asked = node()
    detail = {"txid": TXID, "wallet": TILL, "spent_sat": 50_300, "fee_sat": 300, "complete": True}

    assert prepared(asked) == Prepared(TXID, "signed", 50_300_000, (FIRST, SECOND), detail)
    assert [one for one in asked.asked if one[1] == "walletprocesspsbt"] == [
        (TILL, "walletprocesspsbt", "given", False),
        (TILL, "walletprocesspsbt", "updated", True),
    ]


def test_it_happens_when_it_is_recorded() -> None:
    signatures, one = Signatures(Node(), list), Prepared(TXID, "signed", 50_300_000)
    assert signatures.send(one) == signatures.look_up(one) == Succeeded(50_300_000)


def test_it_may_let_go_all_that_was_said_and_nothing_more() -> None:
    assert prepared(node(), 50_300).max_msat == 50_300_000

    failure = refused(node(), max_spent_sat=50_299)
    assert (type(failure), failure.code) == (Refused, "bitcoin/above-limit")
    assert failure.detail.startswith("It would spend 50300 sat, fee included, which is above the 50299 sat")


def test_a_payment_that_others_make_to_the_wallet_lets_nothing_go() -> None:
    to_us = {"vout": [output("0.009", OURS)]}
    assert prepared(node([coin("0.0008"), {}], to_us)).max_msat == 0


def test_one_that_lacks_other_signatures_is_not_complete() -> None:
    told = {"tx": TX, "inputs": INPUTS}
    half = {"tx": TX, "inputs": [INPUTS[0] | FINAL, INPUTS[1]]}
    asked = node(decodepsbt=lambda psbt: told if psbt == "updated" else half)

    assert prepared(asked).detail["complete"] is False


def test_one_that_was_complete_before_is_given_back_as_it_was() -> None:
    asked = node(walletprocesspsbt={"psbt": "whole"})
    assert prepared(asked).payload == "whole"


# what is not signed


def test_a_wallet_that_adds_nothing_has_none_of_the_keys() -> None:
    asked = node(walletprocesspsbt={"psbt": "updated"})
    assert refusal(lambda: prepared(asked)) == (Precondition, "bitcoin/nothing-to-sign")


@pytest.mark.parametrize(("characters", "taken"), [(MAX_SIGNED, True), (MAX_SIGNED + 1, False)])
def test_what_is_too_large_to_be_kept_is_not_signed(characters: int, taken: bool) -> None:  # noqa: FBT001
    asked = node(walletprocesspsbt=lambda _, sign: {"psbt": "s" * characters if sign else "updated"})
    if taken:
        assert len(prepared(asked).payload) == characters
        return
    with pytest.raises(Invalid) as failure:
        prepared(asked)
    check_readable(failure.value.problem("one"))
    assert why(failure.value) == ["is too large with the transactions that it spends from"]


@pytest.mark.parametrize(
    ("analysis", "message"),
    [({"error": "PSBT is not valid."}, "contradicts itself"), ({"fee": Decimal(-1)}, "pays more than it spends")],
)
def test_what_cannot_be_sent_is_not_signed(analysis: dict[str, Any], message: str) -> None:
    assert why(refused(node(analyzepsbt=ANALYSIS | analysis))) == [message]


@pytest.mark.parametrize("fee", [{}, {"fee": Decimal(0)}])
def test_a_fee_that_is_not_known_or_nothing_speaks_against_nothing(fee: dict[str, Any]) -> None:
    analysis = {name: value for name, value in ANALYSIS.items() if name != "fee"}
    assert prepared(node(analyzepsbt=analysis | fee)).identity == TXID


@pytest.mark.parametrize("sighash", ["NONE", "SINGLE", "ALL|ANYONECANPAY", "NONE|ANYONECANPAY"])
def test_a_signature_that_lets_others_change_what_is_paid_is_not_given(sighash: str) -> None:
    asked = node([INPUTS[0], {"sighash": sighash}])
    assert why(refused(asked)) == ["asks for signatures that do not cover all inputs and outputs"]


@pytest.mark.parametrize("sighash", ["ALL", "DEFAULT"])
def test_a_signature_that_covers_everything_may_be_asked_for_by_its_name(sighash: str) -> None:
    assert prepared(node([INPUTS[0] | {"sighash": sighash}, {}])).identity == TXID


def test_one_that_spends_a_coin_twice_is_not_signed() -> None:
    failure = refused(node(tx={"vin": [TX["vin"][0]] * 2}))
    assert [(one.pointer, one.message) for one in failure.errors] == [("/psbt", "spends a coin twice")]


def test_a_coin_that_an_unsettled_payment_holds_is_left_to_it() -> None:
    failure = refused(node(), leased=(FIRST, SECOND, f"{SOURCE}:9"))

    assert (type(failure), failure.code) == (Precondition, "bitcoin/coins-leased")
    assert failure.detail.startswith("2 of the named coins")


@pytest.mark.parametrize(("spender", "signs"), [(TXID, True), ("b" * 64, False)])
def test_what_would_replace_another_is_not_signed(spender: str, signs: bool) -> None:  # noqa: FBT001
    taken = [{"txid": SOURCE, "vout": 7, "spendingtxid": spender}, {"txid": SOURCE, "vout": 8}]
    asked = node(gettxspendingprevout=taken)
    if signs:
        assert prepared(asked).identity == TXID
    else:
        assert refused(asked).code == "bitcoin/would-replace"
    assert ("", "gettxspendingprevout", [{"txid": SOURCE, "vout": 7}, {"txid": SOURCE, "vout": 8}]) in asked.asked


def test_a_node_without_its_chain_signs_nothing() -> None:
    asked = node(getblockchaininfo={"chain": "main", "initialblockdownload": True})

    assert refused(asked).code == "bitcoin/syncing"
    assert asked.methods() == ["getblockchaininfo"]


# over a store


def test_over_a_store_the_coins_of_unsettled_payments_are_left_alone() -> None:
    table = MemoryTable(World({}, calm=True))
    table.transact([Put(LEASES, f"bitcoin/{FIRST}", {})])

    assert signing.connector(table, node()).leased() == {FIRST}
