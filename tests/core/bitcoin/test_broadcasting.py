"""Transactions that were signed anywhere: what they spend, what they cost, and which of them the node has already."""

from decimal import Decimal
from typing import Any

import pytest

from isthmus.bitcoin import broadcasting
from isthmus.bitcoin.broadcasting import MAX_OWN, MAX_RAW, MAX_VOUT, RawTransaction, distinct_coins, is_own, others_sat
from isthmus.bitcoin.building import MAX_COINS
from isthmus.effects import Prepared
from isthmus.failure import Failure, Invalid, NotFound, Precondition, Refused, Unavailable
from isthmus.failure import Unknown as UnknownFailure
from tests.core.bitcoin.asking import ABSENT, Node, lost, no
from tests.readable import check_readable, refusal

TILL = "isthmus.main.till"
TXID, SOURCE = "a" * 64, "c" * 64
COIN = f"{SOURCE}:7"
OURS, THEIRS = "bcrt1qours", "bcrt1qtheirs"
UNDOCUMENTED = (Unavailable, "bitcoin/undocumented")
NO_WALLET = no("gettransaction", -18)


def output(value: str, address: str | None = None) -> dict[str, Any]:
    script = {"type": "witness_v0_keyhash", "hex": "0014" + "00" * 20, "asm": "0"}
    return {"value": Decimal(value), "n": 0, "scriptPubKey": script | ({"address": address} if address else {})}


DECODED: dict[str, Any] = {
    "txid": TXID,
    "vsize": 141,
    "vin": [{"txid": SOURCE, "vout": 7, "sequence": 0}],
    "vout": [output("0.0005", THEIRS), output("0.0002", OURS), output("0.0001")],
}


THERE = {"bestblock": "00", "value": Decimal("0.000803"), "confirmations": 6, "coinbase": False}


def node(**other: Any) -> Node:
    """A node that has the coin, not the transaction, and would take it at a fee of 300 sat."""
    answers: dict[str, Any] = {
        "decoderawtransaction": DECODED,
        "getmempoolentry": no("getmempoolentry", -5),
        "gettransaction": ABSENT,
        "getrawtransaction": no("getrawtransaction", -5),
        "gettxspendingprevout": [{"txid": SOURCE, "vout": 7}],
        "testmempoolaccept": [{"allowed": True, "fees": {"base": Decimal("0.000003")}}],
        "getaddressinfo": lambda address: {"ismine": address == OURS},
        "gettxout": lambda txid, *_: THERE if txid == SOURCE else None,
        "getindexinfo": {},
        "getblockchaininfo": {"chain": "main", "initialblockdownload": False, "blocks": 200, "mediantime": 1},
    }
    return Node(**(answers | other))


def prepared(asked: Node, leased: tuple[str, ...] = (), **other: Any) -> Prepared:
    fields: dict[str, Any] = {"transaction": "0200", "psbts": (), "wallet": TILL, "max_spent_sat": 100_000} | other
    return broadcasting.prepare(asked, RawTransaction(**fields), leased)


def refused(asked: Node, **other: Any) -> Failure:
    with pytest.raises(Failure) as failure:
        prepared(asked, **other)
    check_readable(failure.value.problem("one"))
    return failure.value


# what it costs


@pytest.mark.parametrize(("wallet", "spent_sat"), [(TILL, 60_300), ("", 80_300)])
def test_it_spends_what_does_not_come_back_to_the_wallet_and_the_fee(wallet: str, spent_sat: int) -> None:
    detail = {"txid": TXID, "wallet": wallet, "spent_sat": spent_sat, "fee_sat": 300, "vsize": 141, "known": False}
    assert prepared(node(), wallet=wallet) == Prepared(TXID, "0200", spent_sat * 1_000, (COIN,), detail)


def test_it_may_spend_all_that_was_said_and_nothing_more() -> None:
    assert prepared(node(), max_spent_sat=60_300).detail["spent_sat"] == 60_300

    failure = refused(node(), max_spent_sat=60_299)
    assert (type(failure), failure.code) == (Refused, "bitcoin/above-limit")
    assert failure.detail == ("It would spend 60300 sat, fee included, which is above the 60299 sat that were allowed.")


def test_the_wallet_is_asked_about_so_many_outputs_and_the_rest_counts_as_spent() -> None:
    made = [output("0.00001", OURS)] * (MAX_OWN + 2)
    asked = node()

    assert others_sat(asked, TILL, made) == 2_000
    assert len(asked.asked) == MAX_OWN


@pytest.mark.parametrize("made", [{}, {"value": None}, {"value": 0.5, "scriptPubKey": {}}, {"value": Decimal(1)}])
def test_outputs_of_another_shape_are_not_understood(made: dict[str, Any]) -> None:
    assert refusal(lambda: others_sat(node(), TILL, [made])) == UNDOCUMENTED


@pytest.mark.parametrize(
    ("wallet", "address", "told", "own"),
    [
        (TILL, OURS, {"ismine": True}, True),
        (TILL, OURS, {"ismine": False}, False),
        (TILL, OURS, no("getaddressinfo", -5), False),
    ],
)
def test_an_address_is_the_wallets_only_if_the_node_says_so(wallet: str, address: str, told: Any, own: bool) -> None:  # noqa: FBT001
    asked = Node(getaddressinfo=told)

    assert is_own(asked, wallet, address) is own
    assert asked.asked == [(TILL, "getaddressinfo", OURS)]


@pytest.mark.parametrize("told", [None, [], {}, {"ismine": 1}])
def test_what_is_not_about_an_address_is_not_understood(told: object) -> None:
    assert refusal(lambda: is_own(Node(getaddressinfo=told), TILL, OURS)) == UNDOCUMENTED


def test_no_wallet_and_no_address_are_not_asked_about() -> None:
    assert not is_own(Node(), "", OURS)
    assert not is_own(Node(), TILL, None)


@pytest.mark.parametrize("failure", [NO_WALLET, lost("getaddressinfo")])
def test_who_cannot_be_asked_about_an_address_stops_it(failure: Failure) -> None:
    told = Node(getaddressinfo=failure, loadwallet=no("loadwallet", -18), listwalletdir={"wallets": []})
    assert refusal(lambda: is_own(told, TILL, OURS))[0] in (NotFound, Unavailable, UnknownFailure)


# one that the node has already


WAITS = {"getmempoolentry": {"wtxid": TXID}}
MINED = {method: {"txid": TXID, "confirmations": 1} for method in ("gettransaction", "getrawtransaction")}


@pytest.mark.parametrize("wallet", [TILL, ""])
@pytest.mark.parametrize("has", [WAITS, MINED])
def test_one_that_the_node_has_costs_nothing_holds_nothing_and_is_not_tried(wallet: str, has: dict[str, Any]) -> None:
    asked = node(**has)
    detail = {"txid": TXID, "wallet": wallet, "spent_sat": 0, "fee_sat": None, "vsize": 141, "known": True}

    assert prepared(asked, (COIN,), wallet=wallet, max_spent_sat=1) == Prepared(TXID, "0200", 0, (), detail)
    assert not {"testmempoolaccept", "gettxspendingprevout"} & set(asked.methods())


@pytest.mark.parametrize(
    ("wallet", "question"), [(TILL, (TILL, "gettransaction", TXID)), ("", ("", "getrawtransaction", TXID, True))]
)
@pytest.mark.parametrize("told", [{"confirmations": 0}, {"confirmations": -1}, {}])
def test_what_is_neither_waiting_nor_mined_is_tried(wallet: str, question: tuple[Any, ...], told: Any) -> None:
    asked = node(gettransaction=told | {"txid": TXID}, getrawtransaction=told | {"txid": TXID})

    assert prepared(asked, wallet=wallet).detail["known"] is False
    assert question in asked.asked


@pytest.mark.parametrize("other", [{"gettransaction": None}, {"gettransaction": {}}, {"getmempoolentry": {}}])
def test_what_is_not_about_this_transaction_is_not_understood(other: dict[str, Any]) -> None:
    assert refusal(lambda: prepared(node(**other))) == UNDOCUMENTED


@pytest.mark.parametrize("wallet", [TILL, ""])
def test_one_that_was_mined_is_known_by_an_output_that_is_unspent(wallet: str) -> None:
    unspent = {(TXID, 1): THERE}
    asked = node(testmempoolaccept=[{"allowed": False}], gettxout=lambda txid, vout, _: unspent.get((txid, vout)))

    known = prepared(asked, wallet=wallet, max_spent_sat=1)
    assert (known.detail["known"], known.max_msat, known.leases) == (True, 0, ())


def test_a_wallet_that_is_not_there_is_told() -> None:
    asked = node(gettransaction=NO_WALLET, loadwallet=no("loadwallet", -18), listwalletdir={"wallets": []})
    assert refusal(lambda: prepared(asked)) == (NotFound, "bitcoin/no-wallet")


# whether the node would take it


def test_a_coin_that_an_unsettled_payment_holds_is_left_to_it() -> None:
    failure = refused(node(), leased=(COIN, "d" * 64 + ":0"))

    assert (type(failure), failure.code) == (Precondition, "bitcoin/coins-leased")
    assert failure.detail.startswith("1 of the named coins")


def test_what_would_replace_another_is_refused() -> None:
    asked = node(gettxspendingprevout=[{"txid": SOURCE, "vout": 7, "spendingtxid": "b" * 64}])
    assert refusal(lambda: prepared(asked)) == (Refused, "bitcoin/would-replace")


def test_what_spends_a_coin_that_is_gone_is_refused() -> None:
    asked = node(testmempoolaccept=[{"allowed": False}], gettxout=None)
    assert refusal(lambda: prepared(asked)) == (Refused, "bitcoin/inputs-spent")


def test_a_node_without_its_chain_does_not_say_that_a_coin_is_gone() -> None:
    syncing = {"chain": "main", "initialblockdownload": True}
    asked = node(testmempoolaccept=[{"allowed": False}], gettxout=None, getblockchaininfo=syncing)
    assert refusal(lambda: prepared(asked)) == (Precondition, "bitcoin/syncing")


@pytest.mark.parametrize(
    ("transaction", "pointer"), [({"transaction": "0200"}, "/transaction"), ({"psbts": ["cHNidA=="]}, "/psbts")]
)
def test_what_speaks_against_it_is_said_at_the_field_that_has_it(transaction: dict[str, Any], pointer: str) -> None:
    locked = DECODED | {"locktime": 201, "version": 2}
    locked["vin"] = [{"txid": SOURCE, "vout": 7, "sequence": 0, "scriptSig": {"hex": "00"}, "txinwitness": []}]
    asked = node(
        testmempoolaccept=[{"allowed": False}],
        decoderawtransaction=locked,
        getmempoolinfo={
            **dict.fromkeys(("size", "bytes", "usage", "maxmempool"), 0),
            "loaded": True,
            **dict.fromkeys(("mempoolminfee", "minrelaytxfee"), Decimal("0.00001")),
        },
        **JOINING,
    )
    failure = refused(asked, **({"transaction": None} | transaction))

    assert isinstance(failure, Invalid)
    assert [one.pointer for one in failure.errors] == [pointer]


@pytest.mark.parametrize("found", [{}, {"fees": None}, {"fees": {}}, {"fees": {"base": "0.1"}}])
def test_a_verdict_without_a_fee_is_not_understood(found: dict[str, Any]) -> None:
    asked = node(testmempoolaccept=[{"allowed": True} | found])
    assert refusal(lambda: prepared(asked)) == UNDOCUMENTED


# reading it

JOINING = {
    "combinepsbt": "am9pbmVk",
    "finalizepsbt": {"complete": True, "hex": "0200"},
    "decodepsbt": {"tx": DECODED, "inputs": [{}]},
    "analyzepsbt": {"inputs": [{"next": "extractor"}], "next": "extractor"},
}


def test_psbts_are_joined_to_the_transaction_that_they_make() -> None:
    one = prepared(node(**JOINING), transaction=None, psbts=["cHNidA=="])
    assert (one.identity, one.payload) == (TXID, "0200")


@pytest.mark.parametrize("fields", [{"transaction": "00", "psbts": ["cHNidA=="]}, {"transaction": None, "psbts": []}])
def test_a_request_has_either_the_transaction_or_psbts(fields: dict[str, Any]) -> None:
    failure = refused(node(), **fields)

    assert failure.code == "bitcoin/transaction"
    assert [one.pointer for one in failure.errors] == ["/transaction", "/psbts"]


@pytest.mark.parametrize(("digits", "taken"), [(MAX_RAW, True), (MAX_RAW + 2, False)])
def test_psbts_make_no_larger_transaction_than_is_relayed(digits: int, taken: bool) -> None:  # noqa: FBT001
    asked = node(**JOINING | {"finalizepsbt": {"complete": True, "hex": "0" * digits}})
    if taken:
        assert len(prepared(asked, transaction=None, psbts=["cHNidA=="]).payload) == digits
        return
    failure = refused(asked, transaction=None, psbts=["cHNidA=="])
    assert [(one.pointer, one.message) for one in failure.errors] == [
        ("/psbts", "make a larger transaction than is relayed")
    ]


def test_an_amount_that_there_cannot_be_is_said_at_the_field() -> None:
    failure = refused(node(decoderawtransaction=DECODED | {"vout": [output("21000001")]}))
    assert (failure.code, [one.pointer for one in failure.errors]) == ("bitcoin/amount", ["/transaction"])


@pytest.mark.parametrize(
    "reply",
    [
        None,
        {},
        {name: value for name, value in DECODED.items() if name != "vin"},
        DECODED | {"vsize": "141"},
        DECODED | {"vin": [{"txid": SOURCE}]},
        DECODED | {"vin": [{"txid": SOURCE, "vout": "first"}]},
        DECODED | {"vin": [None]},
    ],
)
def test_what_is_no_transaction_is_not_understood(reply: object) -> None:
    assert refusal(lambda: prepared(node(decoderawtransaction=reply))) == UNDOCUMENTED


def place(number: int) -> dict[str, Any]:
    return {"txid": SOURCE, "vout": number}


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ([], "spends no coins, so it cannot be sent"),
        ([{"coinbase": "00", "sequence": 0}], "spends no coins, so it cannot be sent"),
        ([place(0), place(MAX_VOUT + 1)], "spends an output that no transaction has"),
        ([place(0), place(1), place(0)], "spends a coin twice"),
    ],
)
def test_coins_that_cannot_be_spent_are_told_at_the_field(inputs: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(Invalid) as failure:
        distinct_coins(inputs, "/here")

    check_readable(failure.value.problem("one"))
    assert failure.value.code == "bitcoin/transaction"
    assert [(one.pointer, one.message) for one in failure.value.errors] == [("/here", why)]


def test_coins_are_named_in_their_order() -> None:
    assert distinct_coins([place(MAX_VOUT), place(0)], "/here") == (f"{SOURCE}:{MAX_VOUT}", f"{SOURCE}:0")
    assert len(distinct_coins([place(number) for number in range(MAX_COINS)], "/here")) == MAX_COINS
    many = [place(number) for number in range(MAX_COINS + 1)]
    assert refusal(lambda: distinct_coins(many, "/here")) == (Invalid, "bitcoin/too-many-coins")
