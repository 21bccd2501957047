"""The connector of on-chain payments: what it asks the node, and what it makes of the answers."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from isthmus.bitcoin import payments
from isthmus.bitcoin.building import MAX_COINS, Draft, Recipient
from isthmus.bitcoin.payments import BitcoinPayments
from isthmus.effects import Outcome, Prepared, Refused, Succeeded, Unknown
from isthmus.failure import Conflict, Failure, Invalid, Unavailable
from isthmus.failure import Refused as RefusedFailure
from isthmus.ledger.records import LEASES
from isthmus.storage.table import Put
from tests.core.bitcoin.asking import ABSENT, Node, lost, no
from tests.faults.bodies import txid_of
from tests.faults.calls import ADDRESS
from tests.faults.node import TILL, ModelNode
from tests.faults.world import MemoryTable, World
from tests.readable import check_readable, refusal

TXID, OTHER = "a" * 64, "b" * 64
SOURCE = "c" * 64
COIN = f"{SOURCE}:7"
PREPARED = Prepared(TXID, "0200", 50_300_000, (COIN,), {"wallet": TILL})
BARE = replace(PREPARED, detail={"wallet": ""})
PLACE = {"txid": SOURCE, "vout": 7}

SUCCEEDED = Succeeded(50_300_000)
NOT_SEEN = Unknown("bitcoin/not-seen", seen=False)
UNDOCUMENTED = Unknown("bitcoin/undocumented")
LOST = Unknown("bitcoin/timeout")
NOT_WAITING = no("getmempoolentry", -5)
UNSEEN: dict[str, Any] = {"gettransaction": ABSENT, "getmempoolentry": NOT_WAITING}


def connector(node: Any) -> BitcoinPayments:
    return BitcoinPayments(node, list)


# sending


def sent(node: Node, prepared: Prepared = PREPARED) -> Outcome:
    return connector(node).send(prepared)


def test_a_transaction_is_sent_once_its_coins_are_seen_to_be_free() -> None:
    node = Node(gettxspendingprevout=[PLACE], sendrawtransaction=TXID)

    assert sent(node) == SUCCEEDED
    assert node.asked == [("", "gettxspendingprevout", [PLACE]), ("", "sendrawtransaction", "0200")]


@pytest.mark.parametrize(
    ("spender", "detail"), [(TXID, {"wallet": TILL}), (OTHER, {"wallet": TILL, "replaces_txid": OTHER})]
)
def test_what_spends_its_coins_may_be_itself_or_what_it_replaces(spender: str, detail: dict[str, Any]) -> None:
    node = Node(gettxspendingprevout=[PLACE | {"spendingtxid": spender}], sendrawtransaction=TXID)
    assert sent(node, replace(PREPARED, detail=detail)) == SUCCEEDED


def test_what_would_undo_another_payment_is_not_sent() -> None:
    node = Node(gettxspendingprevout=[PLACE | {"spendingtxid": OTHER}])
    no_to_this = sent(node, replace(PREPARED, detail={"wallet": TILL, "replaces_txid": "d" * 64}))

    assert isinstance(no_to_this, Refused)
    assert (no_to_this.kind, no_to_this.code, no_to_this.for_good) == ("conflict", "bitcoin/coins-taken", False)
    assert node.methods() == ["gettxspendingprevout"]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (OTHER, UNDOCUMENTED),
        (None, UNDOCUMENTED),
        (no("sendrawtransaction", -27), SUCCEEDED),
        (lost("sendrawtransaction"), LOST),
        (no("sendrawtransaction", -28), Unknown("bitcoin/warming-up")),
    ],
)
def test_an_answer_to_the_sending_is_this_outcome(answer: object, outcome: Outcome) -> None:
    assert sent(Node(gettxspendingprevout=[PLACE], sendrawtransaction=answer)) == outcome


@pytest.mark.parametrize("code", [-25, -26])
def test_a_definite_no_is_one_to_this_sending_only(code: int) -> None:
    refused = no("sendrawtransaction", code)
    node = Node(gettxspendingprevout=[PLACE], sendrawtransaction=refused, **UNSEEN, gettxout={})

    assert sent(node) == Refused(
        refused.kind, refused.code, refused.detail, refused.next_step, False, "bitcoin", str(code)
    )


def test_a_no_to_what_is_there_already_is_a_yes() -> None:
    known = {"txid": TXID, "confirmations": 2}
    node = Node(gettxspendingprevout=[PLACE], sendrawtransaction=no("sendrawtransaction", -25), gettransaction=known)
    assert sent(node) == SUCCEEDED


def test_a_no_because_a_block_spends_its_coins_is_for_good() -> None:
    node = Node(
        gettxspendingprevout=[PLACE],
        sendrawtransaction=no("sendrawtransaction", -25),
        **UNSEEN | {"gettransaction": lambda txid: ABSENT if txid == TXID else {"txid": SOURCE, "confirmations": 3}},
        gettxout=None,
        listwallets=[TILL],
    )
    told = sent(node)

    assert isinstance(told, Refused)
    assert (told.kind, told.code, told.for_good) == ("conflict", "bitcoin/inputs-spent", True)
    check_readable(Conflict(told.reason, next_step=told.next_step, code=told.code).problem("one"))


# looking up


def looked_up(node: Node, prepared: Prepared = PREPARED) -> Outcome:
    return connector(node).look_up(prepared)


@pytest.mark.parametrize(
    ("prepared", "question"),
    [(PREPARED, (TILL, "gettransaction", TXID)), (BARE, ("", "getrawtransaction", TXID, True))],
)
def test_what_is_in_a_block_is_asked_for_once_where_it_is_known(prepared: Prepared, question: tuple[Any, ...]) -> None:
    known = {"txid": TXID, "confirmations": 1}
    node = Node(gettransaction=known, getrawtransaction=known)

    assert looked_up(node, prepared) == SUCCEEDED
    assert node.asked == [question]


@pytest.mark.parametrize("known", [{"txid": TXID, "confirmations": 0}, {"txid": TXID}])
def test_what_is_in_no_block_has_to_wait_in_the_mempool(known: dict[str, Any]) -> None:
    node = Node(gettransaction=known, getmempoolentry={"wtxid": OTHER})

    assert looked_up(node) == SUCCEEDED
    assert node.asked == [(TILL, "gettransaction", TXID), ("", "getmempoolentry", TXID)]


@pytest.mark.parametrize("known", [None, [TXID], {"confirmations": 1}, {"txid": OTHER, "confirmations": 1}])
def test_what_is_not_about_this_transaction_says_nothing(known: object) -> None:
    assert looked_up(Node(gettransaction=known)) == UNDOCUMENTED


@pytest.mark.parametrize("waiting", [None, ["wtxid"], {}, {"txid": TXID}])
def test_what_is_no_entry_of_the_mempool_says_nothing(waiting: object) -> None:
    assert looked_up(Node(gettransaction={"txid": TXID, "confirmations": 0}, getmempoolentry=waiting)) == UNDOCUMENTED


def test_an_answer_that_never_comes_says_nothing() -> None:
    assert looked_up(Node(gettransaction=lost("gettransaction"))) == LOST


@pytest.mark.parametrize(
    "answers",
    [
        UNSEEN,
        {"gettransaction": {"txid": TXID, "confirmations": 0}, "getmempoolentry": NOT_WAITING},
        {"gettransaction": {"txid": TXID, "confirmations": -2}, "getmempoolentry": NOT_WAITING},
    ],
)
def test_what_nobody_has_and_whose_coins_are_free_was_never_seen(answers: dict[str, Any]) -> None:
    node = Node(**answers, gettxout={"bestblock": OTHER})

    assert looked_up(node) == NOT_SEEN
    assert node.asked[-1] == ("", "gettxout", SOURCE, 7, False)


# whether it can still happen


def source(node_knows: Any, wallets: tuple[str, ...] = (TILL,)) -> Node:
    """A node that has not the transaction, nor its coin; and this of the transaction that makes the coin."""
    return Node(
        **UNSEEN | {"gettransaction": lambda txid: ABSENT if txid == TXID else node_knows},
        gettxout=None,
        listwallets=list(wallets),
    )


EXCLUDED = payments._EXCLUDED
MAKES = {"txid": SOURCE}


@pytest.mark.parametrize(
    ("knows", "outcome"),
    [
        (MAKES | {"confirmations": 1}, EXCLUDED),
        (MAKES | {"confirmations": -1}, EXCLUDED),
        (MAKES | {"confirmations": 0}, NOT_SEEN),
        (MAKES, NOT_SEEN),
        (ABSENT, NOT_SEEN),
        ({"txid": OTHER, "confirmations": 1}, UNDOCUMENTED),
        (lost("gettransaction"), LOST),
    ],
)
def test_it_can_never_happen_only_if_a_block_has_decided_over_the_coin(knows: Any, outcome: Outcome) -> None:
    assert looked_up(source(knows)) == outcome


def test_what_arrives_and_is_mined_while_its_coins_are_looked_at_succeeded() -> None:
    node = source(MAKES | {"confirmations": 1})
    mined = {"txid": TXID, "confirmations": 1}
    node.answers["gettxout"] = lambda *_: node.answers.update(gettransaction=lambda txid: mined | {"txid": txid})

    assert looked_up(node) == SUCCEEDED


def test_a_wallet_that_is_gone_says_nothing() -> None:
    node = Node(gettransaction=no("gettransaction", -18), listwalletdir={"wallets": []})
    assert looked_up(node) == Unknown("bitcoin/no-wallet")


# of what others have signed

FOREIGN = replace(PREPARED, detail={"wallet": "", "known": False})


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        ({"getrawtransaction": {"txid": TXID, "confirmations": 1}}, SUCCEEDED),
        ({"gettxout": lambda txid, *_: {"bestblock": OTHER} if txid == TXID else None}, SUCCEEDED),
        ({"getindexinfo": {"txindex": {"synced": True}}}, EXCLUDED),
        ({}, Unknown("bitcoin/no-index")),
        ({"decoderawtransaction": {}}, UNDOCUMENTED),
    ],
)
def test_coins_that_are_spent_may_be_spent_by_itself(told: dict[str, Any], outcome: Outcome) -> None:
    node = source(MAKES | {"confirmations": 1})
    node.answers |= {"getrawtransaction": ABSENT, "decoderawtransaction": {"vout": [{}]}, "getindexinfo": {}} | told

    assert looked_up(node, FOREIGN) == outcome


def test_every_wallet_is_asked_for_what_makes_the_coin() -> None:
    node = source(None, ("first", TILL, "third"))
    known = {(TILL, SOURCE): MAKES | {"confirmations": 1}}
    node.answers["gettransaction"] = lambda txid: known.get((node.asked[-1][0], txid), ABSENT)

    assert looked_up(node) == EXCLUDED
    assert [one[:3] for one in node.asked[3:]] == [
        ("", "listwallets"),
        ("first", "gettransaction", SOURCE),
        (TILL, "gettransaction", SOURCE),
        (TILL, "gettransaction", TXID),
    ]


def test_any_coin_that_is_gone_decides_it() -> None:
    two = replace(PREPARED, leases=(f"{OTHER}:1", COIN))
    node = source(MAKES | {"confirmations": 1})
    node.answers["gettxout"] = lambda txid, *_: {"bestblock": OTHER} if txid == OTHER else None

    assert looked_up(node, two) == EXCLUDED
    assert [one[2:4] for one in node.asked if one[1] == "gettxout"] == [(OTHER, 1), (SOURCE, 7)]


# preparing


@dataclass
class Till(ModelNode):
    """A node that would not take what it is asked about, for a coin or for its own reasons."""

    allows: bool = True
    floor: str = "0.00001"
    answers: Any = None

    def testmempoolaccept(self, raws: list[str]) -> Any:
        return super().testmempoolaccept(raws) if self.allows else [{"allowed": False}]

    def getmempoolinfo(self) -> Any:
        mempool = {"loaded": True, "size": 0, "bytes": 0, "usage": 0, "maxmempool": 1}
        return mempool | {"mempoolminfee": Decimal(self.floor), "minrelaytxfee": Decimal("0.00001")}

    def getblockchaininfo(self) -> Any:
        if isinstance(self.answers, Failure):
            raise self.answers
        return super().getblockchaininfo()


FIRST, SECOND = "c" * 63 + "1:0", "c" * 63 + "2:0"


def till(coins: dict[str, int] | None = None, **other: Any) -> Till:
    return Till(World({}, calm=True), coins or {FIRST: 80_000, SECOND: 90_000}, **other)


def draft(amount_sat: int = 50_000, **other: Any) -> Draft:
    return Draft(TILL, [Recipient(ADDRESS, amount_sat)], **({"max_fee_sat": 1_000} | other))


def test_what_is_prepared_says_what_it_is_and_what_it_costs_at_most() -> None:
    prepared = connector(till()).prepare(draft())

    assert prepared == Prepared(
        identity=txid_of(prepared.payload),
        payload=prepared.payload,
        max_msat=50_300_000,
        leases=(FIRST,),
        detail={
            "txid": prepared.identity,
            "wallet": TILL,
            "amount_sat": 50_000,
            "fee_sat": 300,
            "vsize": 140,
            "change_index": 1,
            "recipients": [{"address": ADDRESS, "amount_sat": 50_000}],
        },
    )


def test_what_payments_hold_is_not_chosen() -> None:
    assert BitcoinPayments(till(), lambda: [FIRST]).prepare(draft()).leases == (SECOND,)


def test_an_answer_that_is_lost_while_preparing_has_sent_nothing() -> None:
    away = lost("sendrawtransaction")
    with pytest.raises(Unavailable) as refused:
        connector(till(answers=away)).prepare(draft())
    check_readable(refused.value.problem("one"))
    assert (refused.value.code, refused.value.upstream) == (away.code, away.upstream)


class Beside(Till):
    """A node on which a transaction of somebody else comes to wait as soon as this one is signed."""

    def walletprocesspsbt(self, psbt: str, sign: bool) -> Any:  # noqa: FBT001 - the node's signature
        processed = super().walletprocesspsbt(psbt, sign)
        self.wait_elsewhere(1)
        return processed


class Mined(Beside):
    """A node on which that transaction is in a block at once."""

    def wait_elsewhere(self, fee_sat: int) -> None:
        self.spend_elsewhere()


@pytest.mark.parametrize("kind", [Beside, Mined])
def test_a_coin_that_was_chosen_and_taken_meanwhile_is_chosen_anew(kind: type[Till]) -> None:
    node = kind(World({}, calm=True), {FIRST: 80_000})
    assert refusal(lambda: connector(node).prepare(draft())) == (Conflict, "bitcoin/coins-taken")


@pytest.mark.parametrize(
    ("kind", "told"),
    [(Beside, (RefusedFailure, "bitcoin/would-replace")), (Mined, (RefusedFailure, "bitcoin/policy"))],
)
def test_a_coin_that_was_named_and_taken_meanwhile_is_told(kind: type[Till], told: tuple[type[Failure], str]) -> None:
    node = kind(World({}, calm=True), {FIRST: 80_000})
    assert refusal(lambda: connector(node).prepare(draft(coins=[FIRST]))) == told


@pytest.mark.parametrize("named", [(), (FIRST,)])
def test_what_the_node_would_not_take_for_its_own_reasons_is_refused(named: tuple[str, ...]) -> None:
    node = till(allows=False)
    assert refusal(lambda: connector(node).prepare(draft(coins=named))) == (RefusedFailure, "bitcoin/policy")


def test_a_feerate_below_what_the_node_takes_now_is_told_with_it() -> None:
    node = till(allows=False, floor="0.00003")
    with pytest.raises(Invalid) as refused:
        connector(node).prepare(draft())

    check_readable(refused.value.problem("one"))
    assert refused.value.code == "bitcoin/feerate-too-low"
    assert [(one.pointer, one.message) for one in refused.value.errors] == [
        ("/feerate_sat_per_kvb", "is below the 3000 sat/kvB that the node asks for")
    ]


def test_more_named_coins_than_can_be_leased_are_refused() -> None:
    many = {f"{number:064x}:0": 1_000 for number in range(MAX_COINS + 1)}
    node = till(many)

    assert len(connector(node).prepare(draft(20_000, coins=list(many)[:MAX_COINS])).leases) == MAX_COINS
    assert refusal(lambda: connector(node).prepare(draft(20_000, coins=list(many)))) == (
        Invalid,
        "bitcoin/too-many-coins",
    )


def test_more_coins_than_can_be_leased_are_chosen_anew_as_few() -> None:
    node = till({f"{number:064x}:0": 400 for number in range(MAX_COINS + 10)} | {"f" * 64 + ":0": 30_000})
    prepared = connector(node).prepare(draft(25_000))

    assert len(prepared.leases) <= MAX_COINS


# over a store


def test_over_a_store_the_coins_of_unsettled_payments_are_left_alone() -> None:
    table = MemoryTable(World({}, calm=True))
    table.transact([Put(LEASES, f"bitcoin/{FIRST}", {}), Put(LEASES, f"bitcoin-signature/{SECOND}", {})])
    made = payments.connector(table, till())

    assert made.leased() == {FIRST}
    assert made.paid("none") is None
