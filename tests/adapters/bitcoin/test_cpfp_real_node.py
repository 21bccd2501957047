"""A child pays for somebody else's transaction, on a real node's mempool and in its blocks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from functions.access.get_budget import get_budget
from functions.bitcoin.bump_fee import bump_fee
from functions.bitcoin.create_address import create_address
from functions.bitcoin.create_wallet import create_wallet
from functions.bitcoin.send_payment import send_payment
from functions.ledger.get_payment import get_payment
from functions.ledger.reconcile_payments import reconcile_payments
from infra.local.bitcoind import RegtestNode
from isthmus.bitcoin import codes, packages
from isthmus.bitcoin.amounts import btc, sat_from_btc
from isthmus.storage.table import Put
from tests.adapters.bitcoin import sender_on as sender
from tests.adapters.bitcoin.sender_on import SENDER, place, rival, seen, sender_on
from tests.adapters.bitcoin.wallets_on import fund, reached
from tests.faults.calls import ADDRESS, SmallWorld
from tests.faults.node import TILL
from tests.faults.wallet_world import real_world

pytestmark = pytest.mark.node

KINDS = ("p2pkh", "p2sh-p2wpkh", "p2wpkh", "p2tr")


@dataclass
class Between:
    """A node to which something happens just before it is sent a transaction; it may lose that as well."""

    node: Any
    act: Callable[[], Any]
    lose: bool = False
    sent: list[str] = field(default_factory=list)

    def call(self, method: str, *params: Any, **named: Any) -> Any:
        if method == "sendrawtransaction":
            self.sent += params
            self.act()
            if self.lose:
                raise codes.of_transport(method, "timeout", sent=True)
        return self.node.call(method, *params, **named)


def made_ready(node: RegtestNode) -> RegtestNode:
    """The till is there, and somebody else has forty coins."""
    with real_world(reached(node)) as made:
        made.call(create_wallet, {"name": "till"})
    sender_on(node, 40)
    return node


@pytest.fixture(scope="module")
def own_node(nodes: Any) -> RegtestNode:
    return made_ready(nodes())


@pytest.fixture
def here(own_node: RegtestNode) -> Iterator[SmallWorld]:
    with real_world(reached(own_node)) as made:
        yield made
        own_node.mine(1)


def address(here: SmallWorld, kind: str = "p2wpkh") -> str:
    return str(here.call(create_address, {"wallet": "till", "type": kind})[1]["address"])


def received(here: SmallWorld, *, kind: str = "p2wpkh", **other: Any) -> str:
    """The txid of what somebody has sent to the till."""
    return sender.received(here.node, address(here, kind), **other)


def bump(here: SmallWorld, txid: str, key: str = "", feerate: int = 20_000, **other: Any) -> tuple[int, Any]:
    wanted = {"txid": txid, "wallet": "till", "max_fee_sat": 50_000, "feerate_sat_per_kvb": feerate} | other
    answer = here.call(bump_fee, wanted, idempotency_key=key or f"{txid}-{feerate}")[:2]
    seen(here.node)
    return answer


def together(here: SmallWorld, txid: str) -> float:
    """What the node says that a transaction and its ancestors pay, in sat/kvB."""
    entry = here.node.call("getmempoolentry", txid)
    return sat_from_btc(entry["fees"]["ancestor"]) * 1000 / entry["ancestorsize"]


@pytest.mark.parametrize("kind", KINDS)
def test_parent_and_child_together_reach_the_feerate(here: SmallWorld, own_node: RegtestNode, kind: str) -> None:
    parent = received(here, kind=kind)
    status, child = bump(here, parent)

    assert (status, child["method"], child["parent_txid"], child["replaces_txid"]) == (201, "child", parent, None), (
        child
    )
    assert 20_000 <= together(here, child["txid"]) <= 20_200
    assert child["feerate_sat_per_kvb"] == int(together(here, child["txid"]))
    entry = here.node.call("getmempoolentry", child["txid"])
    assert (child["fee_sat"], child["vsize"]) == (sat_from_btc(entry["fees"]["base"]), entry["vsize"])
    own_node.mine(1)
    assert here.node.call("getmempoolinfo")["size"] == 0


def test_only_the_fee_leaves_the_wallet_and_the_budget(here: SmallWorld, own_node: RegtestNode) -> None:
    before = here.node.call("getbalances", wallet=TILL)["mine"]["trusted"]
    child = bump(here, received(here))[1]
    own_node.mine(1)
    after = here.node.call("getbalances", wallet=TILL)["mine"]["trusted"]

    assert sat_from_btc(after - before) == 100_000 - child["fee_sat"]
    assert here.call(get_budget, {})[1]["day"]["spent_msat"] == str(child["fee_sat"] * 1000)
    assert here.call(get_payment, {"payment_id": child["payment_id"]})[1]["state"] == "succeeded"


def test_the_same_key_makes_one_child(here: SmallWorld) -> None:
    parent = received(here)
    assert bump(here, parent, "one") == bump(here, parent, "one")
    assert here.node.call("getmempoolinfo")["size"] == 2


def test_a_parent_that_no_block_would_take_is_mined_with_its_child(nodes: Any) -> None:
    small = made_ready(nodes(options=["-blockmaxweight=16000"]))
    with real_world(reached(small)) as here:
        parent = received(here)
        for _ in range(20):
            elsewhere = {here.node.call("getnewaddress", wallet=SENDER): "0.1"}
            here.node.call("send", [elsewhere], None, "unset", None, {"fee_rate": "5"}, wallet=SENDER)
        template = here.node.call("getblocktemplate", {"rules": ["segwit"]})["transactions"]
        assert parent not in {one["txid"] for one in template}

        child = bump(here, parent)[1]
        (block,) = small.mine(1)

        assert {parent, child["txid"]} < set(here.node.call("getblock", block)["tx"])
        assert here.node.call("getmempoolinfo")["size"] > 5


def test_a_child_of_a_child_pays_for_all_three(here: SmallWorld) -> None:
    parent = received(here)
    first = bump(here, parent, feerate=5_000)[1]
    status, second = bump(here, first["txid"], feerate=30_000)

    assert (status, second["parent_txid"]) == (201, first["txid"]), second
    assert 30_000 <= together(here, second["txid"]) <= 30_300
    assert here.node.call("getmempoolentry", second["txid"])["ancestorcount"] == 3


def test_a_parent_below_what_the_mempool_takes_is_brought_to_it_without_a_feerate(here: SmallWorld) -> None:
    """It pays 20 sat in all, and got in because the node was told to count more."""
    coin = here.node.call("listunspent", 1, wallet=SENDER)[0]
    left = sat_from_btc(coin["amount"]) - 100_000 - 20
    to = [{address(here): btc(100_000)}, {here.node.call("getnewaddress", wallet=SENDER): btc(left)}]
    raw = here.node.call("createrawtransaction", [place(coin)], to)
    signed = here.node.call("signrawtransactionwithwallet", raw, wallet=SENDER)["hex"]
    parent = here.node.call("decoderawtransaction", signed)["txid"]
    here.node.call("prioritisetransaction", parent, 0, 1_000)
    assert here.node.call("sendrawtransaction", signed) == parent
    seen(here.node)
    floor = sat_from_btc(here.node.call("getmempoolinfo")["mempoolminfee"])
    status, child = bump(here, parent, "estimated", feerate_sat_per_kvb=None)

    size = child["vsize"] + here.node.call("getmempoolentry", parent)["vsize"]
    assert (status, child["feerate_sat_per_kvb"]) == (201, int((20 + child["fee_sat"]) * 1000 / size))
    assert floor <= child["feerate_sat_per_kvb"] < floor + 20
    again = bump(here, received(here), "floor", feerate_sat_per_kvb=None)[1]
    assert again["type"] == "/problems/refused/bitcoin/feerate-reached"


def test_what_another_child_pays_for_already_costs_nothing(here: SmallWorld, own_node: RegtestNode) -> None:
    """The node's own figure for the package is lower then, and miners take all of it at the feerate nevertheless."""
    grandparent = received(here)
    bump(here, grandparent)
    change = next(place(one) for one in here.node.call("listunspent", 0, wallet=SENDER) if one["txid"] == grandparent)
    parent = received(here, inputs=[change], add_inputs=False)
    status, child = bump(here, parent)

    assert (status, child["feerate_sat_per_kvb"] >= 20_000) == (201, True), child
    assert together(here, child["txid"]) < 20_000
    assert child["fee_sat"] == the_nodes_fee(here, parent, 20_000, child["txid"])


def the_nodes_fee(here: SmallWorld, parent: str, feerate: int, child: str) -> int:
    """What the node's wallet would pay in the place of the child."""
    (coin,) = here.node.call("getrawtransaction", child, True)["vin"]
    value = here.node.call("getrawtransaction", parent, True)["vout"][coin["vout"]]["value"]
    return funded(here, {"txid": parent, "vout": coin["vout"]}, value, feerate)[0]


def funded(here: SmallWorld, coin: dict[str, Any], value: Any, feerate: int) -> tuple[int, int]:
    """Fee and virtual bytes of a child that the node's wallet makes, as it accounts for ancestors."""
    options = {
        "fee_rate": str(feerate // 1000),
        "add_inputs": False,
        "subtractFeeFromOutputs": [0],
        "include_unsafe": True,
    }
    to = [{here.node.call("getnewaddress", wallet=TILL): str(value)}]
    made = here.node.call("walletcreatefundedpsbt", [coin], to, 0, options, wallet=TILL)
    return sat_from_btc(made["fee"]), here.node.call("analyzepsbt", made["psbt"])["estimated_vsize"]


def spent_on(here: SmallWorld, random: Random) -> None:
    """One or two coins of the till that wait become two others, at some feerate."""
    coins = here.node.call("listunspent", 0, 0, [], True, wallet=TILL)
    chosen = random.sample(coins, min(len(coins), random.choice([1, 1, 2])))
    left = sum(sat_from_btc(one["amount"]) for one in chosen) - random.choice([300, 3_000, 8_000, 20_000])
    to = [{address(here): btc(left // 3)}, {address(here, "p2tr"): btc(left - left // 3)}]
    raw = here.node.call("createrawtransaction", [place(one) for one in chosen], to)
    signed = here.node.call("signrawtransactionwithwallet", raw, wallet=TILL)["hex"]
    here.node.call("sendrawtransaction", signed, 0)
    seen(here.node)


@pytest.mark.parametrize("seed", range(4))
def test_the_fee_is_the_one_that_the_nodes_wallet_pays(here: SmallWorld, own_node: RegtestNode, seed: int) -> None:
    """Chains and trees at all feerates, each coin of which is asked about.

    They agree but for roundings, and a virtual byte or two that the wallet counts more.
    """
    random = Random(seed)
    for number in range(3):
        received(here, feerate=str(random.choice([1, 2, 9])), sat=random.randrange(20, 90) * 1_000_000 + number)
    for _ in range(9):
        spent_on(here, random)
    compared = 0
    for coin in here.node.call("listunspent", 0, 0, [], True, wallet=TILL):
        for feerate in (2_000, 10_000, 40_000):
            entries = packages.cluster(here.node, [coin["txid"]])
            if packages.mined_at(entries, coin["txid"]) >= feerate:
                continue
            fee, vsize = funded(here, place(coin), coin["amount"], feerate)
            assert abs(packages.child_fee_sat(entries, coin["txid"], vsize, feerate) - fee) <= feerate // 500 + 2
            compared += 1
    assert compared > 0


def test_a_replaced_payment_is_still_replaced(here: SmallWorld, own_node: RegtestNode) -> None:
    fund(own_node, address(here))
    wanted = {
        "wallet": "till",
        "recipients": [{"address": ADDRESS, "amount_sat": 50_000}],
        "max_fee_sat": 10_000,
        "feerate_sat_per_kvb": 2_000,
    }
    old = here.call(send_payment, wanted, idempotency_key="old")[1]
    again = {"payment_id": old["payment_id"], "max_fee_sat": 50_000, "feerate_sat_per_kvb": 20_000}
    status, new, _ = here.call(bump_fee, again, idempotency_key="new")

    assert (status, new["method"], new["replaces_txid"], new["parent_txid"]) == (201, "replacement", old["txid"], None)
    assert new["feerate_sat_per_kvb"] == int(together(here, new["txid"])) >= 20_000
    seen(here.node)
    status, child = bump(here, new["txid"], feerate=40_000)
    assert (status, child["method"]) == (201, "child")
    assert together(here, child["txid"]) >= 40_000


def test_what_cannot_have_a_child_is_refused_for_its_own_reason(here: SmallWorld, own_node: RegtestNode) -> None:
    def why(txid: str, key: str, **other: Any) -> str:
        return str(bump(here, txid, key, **other)[1]["type"]).removeprefix("/problems/")

    mined, small = received(here), received(here, sat=2_000)
    own_node.mine(1)
    elsewhere = here.node.call("sendtoaddress", ADDRESS, "0.01", wallet=SENDER)
    seen(here.node)
    waiting = received(here, feerate="3")
    small = received(here, sat=2_000)

    assert why("0" * 64, "unknown") == "not-found/bitcoin/no-transaction"
    assert why(elsewhere, "elsewhere") == "not-found/bitcoin/no-transaction"
    assert why(waiting, "wallet", wallet="nobodys") == "not-found/bitcoin/no-wallet"
    assert why(mined, "mined") == "refused/bitcoin/confirmed"
    assert why(small, "small") == "refused/bitcoin/child-dust"
    assert why(waiting, "cap", max_fee_sat=2_000) == "refused/bitcoin/fee-above-cap"
    assert why(waiting, "low", feerate=3_000) == "refused/bitcoin/feerate-reached"
    assert bump(here, waiting, "all-right")[0] == 201
    assert why(waiting, "spent", feerate=40_000) == "refused/bitcoin/nothing-to-spend"


def test_what_is_held_or_locked_is_left_alone(here: SmallWorld) -> None:
    parent = received(here)
    (coin,) = [one for one in here.node.call("listunspent", 0, wallet=TILL) if one["txid"] == parent]
    here.node.call("lockunspent", False, [place(coin)], wallet=TILL)
    assert bump(here, parent, "locked")[1]["type"] == "/problems/precondition/bitcoin/coins-locked"
    assert here.node.call("listlockunspent", wallet=TILL) == [place(coin)]

    here.table.transact([Put("ledger/leases", f"bitcoin/{parent}:{coin['vout']}", {"payment_id": "x"})])
    assert bump(here, parent, "held")[1]["type"] == "/problems/precondition/bitcoin/coins-leased"
    here.table.delete("ledger/leases", f"bitcoin/{parent}:{coin['vout']}")
    here.node.call("lockunspent", True, [place(coin)], wallet=TILL)
    assert bump(here, parent, "held")[0] == 201


def test_a_wallet_that_only_watches_has_no_child(here: SmallWorld) -> None:
    here.call(create_wallet, {"name": "watch", "watch_only": True})
    answer = bump(here, received(here), wallet="watch")[1]
    assert answer["type"] == "/problems/precondition/bitcoin/watches-only"


def test_a_chain_that_is_too_long_gets_no_further_child(here: SmallWorld) -> None:
    txid = received(here, sat=9_000_000)
    for length in range(2, 26):
        status, child = bump(here, txid, f"link-{length}", feerate=1_000 + 10 * length, max_fee_sat=500_000)
        assert status == 201, (length, child)
        txid = child["txid"]
    answer = bump(here, txid, "too-long", feerate=30_000, max_fee_sat=500_000)
    assert (answer[0], answer[1]["type"]) == (409, "/problems/precondition/bitcoin/chain-too-long")


def test_what_the_mempool_has_thrown_out_gets_no_child(nodes: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("pickier")
    first = made_ready(nodes(datadir=folder))
    with real_world(reached(first)) as here:
        parent = received(here)
    first.stop()
    with real_world(reached(nodes(datadir=folder, options=["-minrelaytxfee=0.0001"]))) as here:
        answer = bump(here, parent, feerate=30_000)
        assert (answer[0], answer[1]["type"]) == (409, "/problems/precondition/bitcoin/not-waiting")


def test_a_parent_that_is_replaced_before_the_child_is_sent_leaves_a_refusal(own_node: RegtestNode) -> None:
    with real_world(reached(own_node)) as here:
        parent = received(here)
        node: Any = here.node
    with real_world(Between(node, lambda: rival(node, parent))) as between:
        status, body = bump(between, parent)
        assert (status, body["money_moved"], body["type"]) == (409, "no", "/problems/conflict/bitcoin/inputs-spent")
        assert between.call(get_budget, {})[1]["day"]["spent_msat"] == "0"
        assert bump(between, parent) == (status, body)
    own_node.mine(1)


def test_a_child_whose_sending_is_lost_is_refused_when_its_parent_can_no_longer_be_mined(own_node: RegtestNode) -> None:
    with real_world(reached(own_node)) as here:
        parent = received(here)
        node: Any = here.node
    between = Between(node, lambda: None, lose=True)
    with real_world(between) as there:
        before = there.call(get_budget, {})[1]["day"]
        assert bump(there, parent)[0] == 202
        rival(node, parent)
        assert settled(there) == {"unknown": 1}
        assert bump(there, parent)[0] == 202
        own_node.mine(1)
        assert settled(there) == {"refused": 1}
        assert bump(there, parent)[1]["type"] == "/problems/conflict/bitcoin/inputs-spent"
        assert there.call(get_budget, {})[1]["day"] == before
        assert len(set(between.sent)) == 1


def settled(here: SmallWorld) -> Any:
    """The states of what the schedule looks after once more."""
    here.ms += 3_700_000
    event = {"source": "aws.scheduler", "resources": ["x"], "detail": {}}
    return reconcile_payments(event, None)["states"]


def test_a_parent_that_is_mined_before_the_child_is_sent_leaves_a_child_that_pays_for_itself(
    own_node: RegtestNode,
) -> None:
    with real_world(reached(own_node)) as here:
        parent = received(here)
        node: Any = here.node
    with real_world(Between(node, lambda: own_node.mine(1))) as between:
        status, child = bump(between, parent)
        assert status == 201
        assert here.node.call("getrawmempool") == [child["txid"]]
        assert here.node.call("gettransaction", parent, wallet=TILL)["confirmations"] == 1
    own_node.mine(1)
