"""The demonstration chain: the same for the same seed, lively, and valid in the eyes of a real node."""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from infra.local.bitcoind import RegtestNode
from infra.local.demo_chain import ChainFacts, _plan, build_chain, extend
from infra.local.demo_coins import KINDS, Coin, expected_weight, locks, sign
from infra.local.demo_market import Market, arrive, take
from infra.local.ripemd160 import ripemd160
from isthmus.failure import Defect, Invalid, Precondition

FreshNode = Callable[..., RegtestNode]
SCRIPT_TYPES = {"pubkeyhash", "scripthash", "witness_v0_keyhash", "witness_v0_scripthash", "witness_v1_taproot"}


def blocks_of(node: RegtestNode, facts: ChainFacts) -> list[dict[str, Any]]:
    return node.batch([("getblock", [block.block_hash, 3]) for block in facts.blocks if block.transactions])


def coins(count: int, value_sat: int = 1_000_000) -> list[Coin]:
    return [Coin(bytes([place % 256]) * 32, place, value_sat, locks()[KINDS[place % 5]][0]) for place in range(count)]


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"", "9c1185a5c5e9fc54612808977ee8f548b2258d31"),
        (b"message digest", "5d0689ef49d2fae572b881b123a85ffa21595f36"),
        (b"1234567890" * 8, "9b752e45573d4b39f4dbd3323cab82bf63326bfb"),
    ],
)
def test_ripemd160_gives_the_digests_of_its_paper(message: bytes, digest: str) -> None:
    assert ripemd160(message).hex() == digest


def test_the_weight_foretold_is_the_weight_signed_but_for_short_signatures() -> None:
    for kind in KINDS:
        spent = [Coin(bytes(32), 0, 100_000, lock) for lock in locks()[kind]]
        signed = sign(spent, [], sequences=[0] * len(spent))
        short = expected_weight(spent, []) - signed.weight
        assert -4 <= short <= 4 * len(spent)


@settings(deadline=None)
@given(blocks=some.integers(1, 300), pace=some.integers(0, 3_000), seed=some.integers())
def test_a_plan_lets_every_transaction_come(blocks: int, pace: int, seed: int) -> None:
    plan = _plan(Random(seed), blocks, pace * blocks)
    assert sum(plan.arrivals) == pace * blocks
    assert len(plan.arrivals) == len(plan.intervals_s) == len(plan.limits) == blocks
    assert min(plan.intervals_s) > 0


def test_a_block_takes_the_best_of_what_waits_and_the_rest_waits_on() -> None:
    market = Market(Random(1), coins(500))
    arrive(market, 100, pace=50, height=200)
    taken = take(market, 40)
    worst_taken = min(each.fee_sat / each.weight for each in taken[:1])
    assert len(taken) in (39, 40)
    assert market.backlog == 100 - len(taken)
    assert worst_taken > max(package.feerate for package in market.waiting)


def test_coins_are_spent_once_and_come_back_when_they_are_mined() -> None:
    market = Market(Random(2), coins(50))
    arrive(market, 30, pace=30, height=200)
    left = len(market.coins)
    assert left < 50
    take(market, 30)
    assert len(market.coins) > left


def test_a_market_without_coins_says_so() -> None:
    with pytest.raises(Defect) as stopped:
        arrive(Market(Random(3)), 1, pace=1, height=200)
    assert stopped.value.code == "local/demo-coins"


@pytest.mark.node
def test_the_same_seed_gives_the_same_blocks_and_the_same_mempool(fresh_node: FreshNode) -> None:
    one, two = fresh_node(), fresh_node()
    first = build_chain(one, blocks=8, transactions=80, seed=7)
    second = build_chain(two, blocks=8, transactions=80, seed=7)
    assert first == second
    assert one.rpc("getbestblockhash") == two.rpc("getbestblockhash") == first.tip
    assert set(one.rpc("getrawmempool")) == set(two.rpc("getrawmempool"))


@pytest.mark.node
def test_another_seed_gives_another_chain(fresh_node: FreshNode) -> None:
    tips = {build_chain(fresh_node(), blocks=2, transactions=10, seed=seed).tip for seed in (1, 2)}
    assert len(tips) == 2


@pytest.mark.node
def test_the_last_block_has_the_time_that_was_asked_for(fresh_node: FreshNode) -> None:
    node = fresh_node()
    facts = build_chain(node, blocks=2, transactions=10, end_s=1_700_000_000)
    assert node.rpc("getblockheader", facts.tip)["time"] == 1_700_000_000


@pytest.mark.node
def test_the_facts_are_what_the_node_says(lively_node: RegtestNode, lively_facts: ChainFacts) -> None:
    asked = ["height", "blockhash", "time", "txs", "totalfee", "subsidy"]
    stats = lively_node.batch([("getblockstats", [block.height, asked]) for block in lively_facts.blocks])
    told = [(s["height"], s["blockhash"], s["time"], s["txs"] - 1, s["totalfee"]) for s in stats]
    assert told == [(b.height, b.block_hash, b.time_s, b.transactions, b.fees_sat) for b in lively_facts.blocks]
    blocks = lively_node.batch([("getblock", [block.block_hash, 2]) for block in lively_facts.blocks])
    assert [block["weight"] for block in blocks] == [fact.weight for fact in lively_facts.blocks]
    for block, stat in zip(blocks, stats, strict=True):
        assert block["tx"][0]["vout"][0]["value"] * 10**8 == stat["subsidy"] + stat["totalfee"]


@pytest.mark.node
def test_every_kind_of_script_is_paid_and_spent(lively_node: RegtestNode, lively_facts: ChainFacts) -> None:
    transactions = [tx for block in blocks_of(lively_node, lively_facts) for tx in block["tx"][1:]]
    paid = Counter(output["scriptPubKey"]["type"] for tx in transactions for output in tx["vout"])
    spent = Counter(spent["prevout"]["scriptPubKey"]["type"] for tx in transactions for spent in tx["vin"])
    assert set(paid) == SCRIPT_TYPES | {"nulldata"}
    assert set(spent) == SCRIPT_TYPES


@pytest.mark.node
def test_transactions_differ_as_on_the_main_chain(lively_node: RegtestNode, lively_facts: ChainFacts) -> None:
    blocks = blocks_of(lively_node, lively_facts)
    transactions = [tx for block in blocks for tx in block["tx"][1:]]
    assert {len(tx["vin"]) for tx in transactions} >= {1, 2, 3, 4, 5}
    assert max(len(tx["vout"]) for tx in transactions) >= 20
    assert {tx["vin"][0]["sequence"] for tx in transactions} == {0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF}
    assert {tx["version"] for tx in transactions} == {1, 2}
    assert any(tx["locktime"] for tx in transactions)
    feerates = [tx["fee"] * 10**8 / tx["vsize"] for tx in transactions]
    assert min(feerates) >= 1
    assert max(feerates) > 10


@pytest.mark.node
def test_some_children_pay_for_a_parent_in_the_same_block(lively_node: RegtestNode, lively_facts: ChainFacts) -> None:
    pairs = 0
    for block in blocks_of(lively_node, lively_facts):
        inside = {tx["txid"] for tx in block["tx"]}
        pairs += sum(spent["txid"] in inside for tx in block["tx"][1:] for spent in tx["vin"])
    assert pairs > 3


@pytest.mark.node
def test_blocks_differ_in_size_and_two_are_empty(lively_facts: ChainFacts) -> None:
    counts = [block.transactions for block in lively_facts.blocks[-40:]]
    assert counts.count(0) == 2
    assert max(counts) > 2 * min(count for count in counts if count)


@pytest.mark.node
def test_the_node_has_learned_what_haste_costs(lively_node: RegtestNode, lively_facts: ChainFacts) -> None:
    soon = lively_node.rpc("estimatesmartfee", 1)["feerate"]
    late = lively_node.rpc("estimatesmartfee", 24)["feerate"]
    assert soon > late
    assert lively_node.rpc("getmempoolinfo")["size"] >= lively_facts.waiting >= 300


@pytest.mark.node
def test_one_more_block_holds_what_waited_and_new_transactions_wait(fresh_node: FreshNode) -> None:
    node = fresh_node()
    facts = build_chain(node, blocks=3, transactions=30)
    waited = set(node.rpc("getrawmempool"))
    node.stop()
    again = fresh_node(datadir=node.datadir)
    block = again.rpc("getblock", extend(again, transactions=20))
    assert block["height"] == facts.height + 1
    assert set(block["tx"][1:]) == waited
    assert again.rpc("getmempoolinfo")["size"] == 20


@pytest.mark.node
def test_a_chain_that_was_not_built_here_is_extended_by_an_empty_block(fresh_node: FreshNode) -> None:
    node = fresh_node(blocks=1)
    assert node.rpc("getblock", extend(node))["nTx"] == 1


@pytest.mark.node
def test_a_node_with_a_chain_is_not_built_upon(fresh_node: FreshNode) -> None:
    with pytest.raises(Precondition) as refused:
        build_chain(fresh_node(blocks=1), blocks=1, transactions=1)
    assert refused.value.code == "local/chain-exists"


@pytest.mark.node
@pytest.mark.parametrize(("blocks", "transactions"), [(0, 1), (1, -1), (1, 3_001)])
def test_impossible_chains_are_refused(node: RegtestNode, blocks: int, transactions: int) -> None:
    with pytest.raises(Invalid):
        build_chain(node, blocks=blocks, transactions=transactions)


@pytest.mark.node
@pytest.mark.parametrize(("blocks", "transactions"), [(1, 0), (1, 1), (1, 2_000), (40, 40)])
def test_odd_shapes_hold_what_was_asked_for(fresh_node: FreshNode, blocks: int, transactions: int) -> None:
    facts = build_chain(fresh_node(), blocks=blocks, transactions=transactions)
    assert sum(block.transactions for block in facts.blocks[-blocks:]) == transactions
