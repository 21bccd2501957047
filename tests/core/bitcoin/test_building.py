"""Transactions in the making: what is refused at once, what the wallet is asked, and what it may answer."""

from decimal import Decimal
from typing import Any

import pytest

from isthmus.bitcoin import building
from isthmus.bitcoin.building import MAX_COINS, Draft, Funded, Recipient, Signed
from isthmus.failure import Invalid, Precondition, Refused, Unavailable
from tests.core.bitcoin.asking import Node
from tests.readable import check_readable, refusal

MAIN = {"chain": "main", "initialblockdownload": False}
P2WPKH = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
P2TR = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"
COIN, OTHER = "c" * 64 + ":7", "d" * 64 + ":0"
UNDOCUMENTED = (Unavailable, "bitcoin/undocumented")


def draft(*to: tuple[str, int], **other: Any) -> Draft:
    recipients = [Recipient(*one) for one in to or [(P2WPKH, 50_000)]]
    return Draft("isthmus.main.till", recipients, **({"max_fee_sat": 1_000} | other))


def errors(wanted: Draft, chain: Any = MAIN) -> list[tuple[str, str]]:
    """Which fields are refused, and why."""
    with pytest.raises(Invalid) as refused:
        building.check(Node(getblockchaininfo=chain), wanted)
    check_readable(refused.value.problem("one"))
    assert refused.value.code == "bitcoin/payment"
    assert refused.value.detail.startswith(f"{len(refused.value.errors)} field(s)")
    return [(one.pointer, one.message) for one in refused.value.errors]


# what is refused before anything is asked of the wallet


@pytest.mark.parametrize(
    ("address", "dust_sat"),
    [
        (P2WPKH, 294),
        (P2TR, 330),
        ("bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3", 330),
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", 546),
        ("3P14159f73E4gFr7JterCCQh9QjiTjiZrG", 540),
        ("bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", 354),
    ],
)
def test_each_type_of_address_takes_what_is_relayed_to_it_and_not_one_satoshi_less(address: str, dust_sat: int) -> None:
    building.check(Node(getblockchaininfo=MAIN), draft((address, dust_sat)))

    assert errors(draft((address, dust_sat - 1))) == [
        ("/recipients/0/amount_sat", f"is dust: the network relays {dust_sat} sat or more to such an address")
    ]


def test_everything_that_is_wrong_is_said_at_once_and_where_it_is() -> None:
    wanted = draft(
        ("bc1qnot-an-address", 50_000),
        ("tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7", 50_000),
        (P2WPKH, 50_000),
        (P2WPKH.upper(), 5),
        coins=[COIN, OTHER, COIN],
        subtract_fee=[3, 3, 4],
    )

    assert errors(wanted) == [
        ("/recipients/0/address", "is no address: characters"),
        ("/recipients/1/address", "is an address of another network than main"),
        ("/recipients/3/address", "is named twice; add the amounts up"),
        ("/recipients/3/amount_sat", "is dust: the network relays 294 sat or more to such an address"),
        ("/coins", "names an outpoint twice"),
        ("/subtract_fee", "names a recipient twice"),
        ("/subtract_fee", "names a recipient that is not there; the first is 0"),
    ]


def test_an_amount_for_what_is_no_address_is_not_judged() -> None:
    assert [pointer for pointer, _ in errors(draft(("nobody", 1), (P2WPKH, 1)))] == [
        "/recipients/0/address",
        "/recipients/1/amount_sat",
    ]


@pytest.mark.parametrize("wrong", [[-1], [2], [0, 1, 2]])
def test_who_shares_the_fee_has_to_be_there(wrong: list[int]) -> None:
    two = (P2WPKH, 50_000), (P2TR, 50_000)

    assert errors(draft(*two, subtract_fee=wrong)) == [
        ("/subtract_fee", "names a recipient that is not there; the first is 0")
    ]
    building.check(Node(getblockchaininfo=MAIN), draft(*two, subtract_fee=[1, 0]))


def test_a_node_that_has_not_its_chain_yet_pays_nothing() -> None:
    node = Node(getblockchaininfo=MAIN | {"initialblockdownload": True})
    with pytest.raises(Precondition) as refused:
        building.check(node, draft())

    check_readable(refused.value.problem("one"))
    assert (refused.value.code, refused.value.retry_after_ms) == ("bitcoin/syncing", 60_000)


@pytest.mark.parametrize(
    ("told", "chain"),
    [
        (MAIN, "main"),
        ({"chain": "signet"}, "signet"),
        ({"chain": "regtest", "initialblockdownload": True}, "regtest"),
    ],
)
def test_a_node_says_its_network_when_it_has_its_chain(told: dict[str, Any], chain: str) -> None:
    assert building.synced_chain(Node(getblockchaininfo=told)) == chain


@pytest.mark.parametrize("told", [None, [], {}, {"chain": None}, {"chain": 1}])
def test_a_node_that_says_no_network_is_not_understood(told: object) -> None:
    assert refusal(lambda: building.synced_chain(Node(getblockchaininfo=told))) == UNDOCUMENTED


# choosing coins


def wallet(**reply: Any) -> Node:
    funded = {"psbt": "cHNidP8=", "fee": Decimal("0.00000300"), "changepos": 1}
    return Node(getwalletinfo={"private_keys_enabled": True}, walletcreatefundedpsbt=funded | reply)


ESTIMATED = {"conf_target": 6, "estimate_mode": "economical"}
ALWAYS = {"lockUnspents": False, "include_unsafe": False}


@pytest.mark.parametrize(
    ("wanted", "inputs", "options"),
    [
        ({}, [], {"add_inputs": True, "subtractFeeFromOutputs": [], "replaceable": True} | ESTIMATED),
        (
            {"coins": [COIN], "feerate_sat_per_kvb": 1_234, "subtract_fee": (1, 0), "replaceable": False},
            [{"txid": "c" * 64, "vout": 7}],
            {"add_inputs": False, "subtractFeeFromOutputs": [1, 0], "replaceable": False, "fee_rate": "1.234"},
        ),
        (
            {"target_blocks": 2},
            [],
            {"add_inputs": True, "subtractFeeFromOutputs": [], "replaceable": True, **ESTIMATED, "conf_target": 2},
        ),
    ],
)
def test_the_wallet_is_asked_for_this(wanted: dict[str, Any], inputs: list[Any], options: dict[str, Any]) -> None:
    node = wallet()
    building.fund(node, draft((P2WPKH, 50_000), (P2TR, 100_000_001), **wanted))

    paid = [{P2WPKH: "0.00050000"}, {P2TR: "1.00000001"}]
    (asked,) = [one for one in node.asked if one[1] == "walletcreatefundedpsbt"]
    assert asked[:-1] == ("isthmus.main.till", "walletcreatefundedpsbt", inputs, paid, 0)
    assert asked[-1].items() >= (ALWAYS | options).items()
    assert ("fee_rate" in asked[-1], "conf_target" in asked[-1]) == ("fee_rate" in options, "conf_target" in options)


@pytest.mark.parametrize(("changepos", "index"), [(0, 0), (1, 1), (-1, None), (None, None)])
def test_what_the_wallet_has_funded_says_where_the_change_is(changepos: int | None, index: int | None) -> None:
    assert building.fund(wallet(changepos=changepos), draft()) == Funded("cHNidP8=", 300, index)


def test_the_fee_may_be_as_high_as_the_cap_and_not_higher() -> None:
    assert building.fund(wallet(), draft(max_fee_sat=300)).fee_sat == 300

    with pytest.raises(Refused, match="The fee would be 300 sat, which is above the cap of 299 sat") as refused:
        building.fund(wallet(), draft(max_fee_sat=299))
    check_readable(refused.value.problem("one"))
    assert refused.value.code == "bitcoin/fee-above-cap"


@pytest.mark.parametrize("reply", [{"psbt": None}, {"fee": None}, {"fee": 0.5}, {"fee": Decimal("0.000000001")}])
def test_a_wallet_that_answers_something_else_is_not_understood(reply: dict[str, Any]) -> None:
    assert refusal(lambda: building.fund(wallet(**reply), draft())) == UNDOCUMENTED


@pytest.mark.parametrize("reply", [None, {"psbt": "cHNidP8="}])
def test_a_wallet_that_answers_nothing_or_half_is_not_understood(reply: object) -> None:
    node = wallet()
    node.answers["walletcreatefundedpsbt"] = reply
    assert refusal(lambda: building.fund(node, draft())) == UNDOCUMENTED


def test_a_named_coin_that_a_payment_holds_is_refused_before_anything_is_asked() -> None:
    node = wallet()
    with pytest.raises(Precondition, match="2 of the named coins belong") as refused:
        building.fund(node, draft(coins=[COIN, OTHER]), [OTHER, COIN, "e" * 64 + ":1"])

    check_readable(refused.value.problem("one"))
    assert (refused.value.code, node.asked) == ("bitcoin/coins-leased", [])


# signing


def signer(**other: Any) -> Node:
    answers: dict[str, Any] = {
        "getwalletinfo": {"private_keys_enabled": True},
        "walletprocesspsbt": {"psbt": "c2lnbmVk"},
        "finalizepsbt": {"complete": True, "hex": "0200"},
        "decoderawtransaction": {"txid": "a" * 64, "vsize": 141, "vin": [{"txid": "c" * 64, "vout": 7}]},
    }
    return Node(**(answers | other))


def test_what_is_signed_is_what_the_node_makes_of_it() -> None:
    node = signer()

    assert building.sign(node, "isthmus.main.till", "cHNidP8=") == Signed("a" * 64, "0200", 141, (COIN,))
    assert ("isthmus.main.till", "walletprocesspsbt", "cHNidP8=", True) in node.asked
    assert node.asked[-2:] == [("", "finalizepsbt", "c2lnbmVk"), ("", "decoderawtransaction", "0200")]


def test_a_wallet_without_all_the_keys_says_how_the_others_sign() -> None:
    node = signer(finalizepsbt={"complete": False})
    assert refusal(lambda: building.sign(node, "isthmus.main.till", "cHNidP8=")) == (
        Precondition,
        "bitcoin/not-all-keys",
    )


@pytest.mark.parametrize(
    "reply",
    [
        None,
        {},
        {"txid": "a" * 64, "vsize": 141},
        {"txid": "a" * 64, "vin": []},
        {"txid": "a" * 64, "vsize": -1, "vin": []},
        {"txid": "a" * 64, "vsize": 141, "vin": [{"txid": "c" * 64}]},
        {"txid": "a" * 64, "vsize": 141, "vin": [{"txid": "c" * 64, "vout": "first"}]},
    ],
)
def test_what_is_no_transaction_is_not_understood(reply: object) -> None:
    assert refusal(lambda: building.decoded(Node(decoderawtransaction=reply), "0200")) == UNDOCUMENTED


# asking about coins and transactions


def test_who_spends_a_coin_is_asked_for_all_at_once_and_of_nothing_not_at_all() -> None:
    first, second = {"txid": "c" * 64, "vout": 7}, {"txid": "d" * 64, "vout": 0}
    node = Node(gettxspendingprevout=[first | {"spendingtxid": "a" * 64}, second])

    assert building.spenders(node, [COIN, OTHER]) == {COIN: "a" * 64}
    assert node.asked == [("", "gettxspendingprevout", [first, second])]
    assert building.spenders(Node(), []) == {}


@pytest.mark.parametrize("reply", [None, {}, ["spendingtxid"], [], [{"txid": "d" * 64, "vout": 0}]])
def test_spenders_of_another_shape_are_not_understood(reply: object) -> None:
    assert refusal(lambda: building.spenders(Node(gettxspendingprevout=reply), [COIN])) == UNDOCUMENTED


def test_a_verdict_is_one_transactions() -> None:
    node = Node(testmempoolaccept=[{"allowed": True}])

    assert building.verdict(node, "0200") == {"allowed": True}
    assert node.asked == [("", "testmempoolaccept", ["0200"])]


@pytest.mark.parametrize(
    "reply", [None, [], {}, ["allowed"], [{"allowed": True}, {"allowed": True}], [{}], [{"allowed": 1}]]
)
def test_verdicts_of_another_shape_are_not_understood(reply: object) -> None:
    assert refusal(lambda: building.verdict(Node(testmempoolaccept=reply), "0200")) == UNDOCUMENTED


@pytest.mark.parametrize(("reply", "spent"), [(None, True), ({"bestblock": "00"}, False)])
def test_a_coin_is_spent_when_neither_chain_nor_mempool_has_it(reply: object, spent: bool) -> None:  # noqa: FBT001
    node = Node(gettxout=reply)

    assert building.is_spent(node, COIN) is spent
    assert node.asked == [("", "gettxout", "c" * 64, 7, True)]


def test_as_many_coins_as_can_be_leased_are_taken_and_not_one_more() -> None:
    coins = [f"{number:064x}:0" for number in range(MAX_COINS + 1)]
    building.check_number(coins[1:])

    with pytest.raises(Invalid, match=f"^The payment would need 61 coins; {MAX_COINS} is the limit") as refused:
        building.check_number(coins)
    check_readable(refused.value.problem("one"))
    assert refused.value.code == "bitcoin/too-many-coins"


@pytest.mark.parametrize(
    ("sat_per_kvb", "told"), [(1, "0.001"), (999, "0.999"), (1_000, "1.000"), (12_345, "12.345"), (10**8, "100000.000")]
)
def test_a_feerate_is_told_in_satoshi_per_byte_exactly(sat_per_kvb: int, told: str) -> None:
    assert building.feerate(sat_per_kvb) == told
    assert building.fee_options(sat_per_kvb, 3) == {"fee_rate": told}
