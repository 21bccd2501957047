import json
from typing import Any

import pytest

from functions.bitcoin.get_block_stats import BlockStats, GetBlockStats, get_block_stats
from infra.local.bitcoind import RegtestNode
from infra.local.demo_chain import ChainFacts
from isthmus import wiring
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.failure import Invalid, NotFound, Precondition, Unavailable
from isthmus.ports import BitcoinNode
from tests.operations.bitcoin.fakes import HASH, FakeNode, get, not_found

STATS: dict[str, Any] = {
    "avgfee": 3230,
    "avgfeerate": 10,
    "avgtxsize": 323,
    "blockhash": HASH,
    "feerate_percentiles": [1, 2, 3, 4, 5],
    "height": 102,
    "ins": 5,
    "maxfee": 3720,
    "maxfeerate": 12,
    "maxtxsize": 372,
    "medianfee": 3700,
    "mediantime": 1_795_375_583,
    "mediantxsize": 371,
    "minfee": 2250,
    "minfeerate": 9,
    "mintxsize": 225,
    "outs": 8,
    "subsidy": 5_000_000_000,
    "swtotal_size": 100,
    "swtotal_weight": 300,
    "swtxs": 1,
    "time": 1_795_375_584,
    "total_out": 14_999_982_090,
    "total_size": 969,
    "total_weight": 3876,
    "totalfee": 9690,
    "txs": 4,
    "utxo_increase": -3,
    "utxo_size_inc": -238,
    "utxo_increase_actual": 2,
}


def ask(stats: Any = STATS, **named: Any) -> BlockStats:
    answer = get_block_stats.function(
        GetBlockStats(**(named or {"height": 102})), FakeNode(getblockhash=HASH, getblockstats=stats, getblockcount=7)
    )
    assert isinstance(answer, BlockStats)
    return answer


def test_each_figure_says_its_unit_and_none_is_mixed_up() -> None:
    stats = ask()
    assert (stats.min_fee_sat, stats.median_fee_sat, stats.mean_fee_sat, stats.max_fee_sat) == (2250, 3700, 3230, 3720)
    assert (stats.min_feerate_sat_per_vb, stats.mean_feerate_sat_per_vb, stats.max_feerate_sat_per_vb) == (9, 10, 12)
    assert (stats.min_size_bytes, stats.median_size_bytes) == (225, 371)
    assert (stats.mean_size_bytes, stats.max_size_bytes) == (323, 372)
    assert stats.feerate_percentiles_sat_per_vb == [1, 2, 3, 4, 5]
    assert (stats.n_tx, stats.inputs, stats.outputs) == (4, 5, 8)
    assert (stats.subsidy_sat, stats.total_fee_sat, stats.total_out_sat) == (5_000_000_000, 9690, 14_999_982_090)
    assert (stats.segwit_n_tx, stats.segwit_total_size_bytes, stats.segwit_total_weight) == (1, 100, 300)
    assert (stats.utxo_increase, stats.utxo_size_increase_bytes) == (-3, -238)


def test_a_block_is_found_by_its_hash_too() -> None:
    assert ask(block_hash=HASH) == ask(height=102)


def test_a_block_is_named_in_exactly_one_way() -> None:
    with pytest.raises(Invalid):
        get_block_stats.function(GetBlockStats(), FakeNode())


def test_what_the_node_does_not_know_is_not_found() -> None:
    with pytest.raises(NotFound):
        ask(not_found(), block_hash=HASH)
    with pytest.raises(NotFound, match="the tip is at 7"):
        get_block_stats.function(GetBlockStats(height=8), FakeNode(getblockhash=not_found(), getblockcount=7))


@pytest.mark.parametrize("broken", [{"feerate_percentiles": [1]}, {"totalfee": -1}, {"txs": "4"}, {"blockhash": ""}])
def test_statistics_in_another_form_are_unavailable(broken: dict[str, Any]) -> None:
    with pytest.raises(Unavailable):
        ask(STATS | broken)


def test_over_http_a_height_is_a_number() -> None:
    node = FakeNode(getblockhash=HASH, getblockstats=STATS)
    with wiring.replaced({BitcoinNode: node}):
        answer = get_block_stats(get({"height": "102"}), None)
    assert json.loads(answer["body"])["total_fee_sat"] == 9690
    assert node.asked == [("getblockhash", 102), ("getblockstats", HASH)]


@pytest.mark.node
def test_on_a_real_node_fees_and_counts_are_those_the_chain_was_built_with(
    lively_bitcoin: BitcoinCore, lively_facts: ChainFacts
) -> None:
    for facts in lively_facts.blocks[-40:]:
        stats = get_block_stats.function(GetBlockStats(block_hash=facts.block_hash), lively_bitcoin)
        assert (stats.height, stats.time) == (facts.height, facts.time_s)
        assert stats.n_tx == facts.transactions + 1
        assert stats.total_fee_sat == facts.fees_sat
        assert stats.total_weight < facts.weight
        assert stats.feerate_percentiles_sat_per_vb == sorted(stats.feerate_percentiles_sat_per_vb)


@pytest.mark.node
def test_on_a_real_node_the_set_of_unspent_outputs_grows_by_what_the_blocks_say(
    lively_bitcoin: BitcoinCore, lively_node: RegtestNode, lively_facts: ChainFacts
) -> None:
    grown = sum(
        get_block_stats.function(GetBlockStats(block_hash=facts.block_hash), lively_bitcoin).utxo_increase
        for facts in lively_facts.blocks
    )
    spendable = lively_node.rpc("gettxoutsetinfo")["txouts"]
    unspendable = sum(_unspendable(lively_node, facts.block_hash) for facts in lively_facts.blocks)
    assert grown == spendable + unspendable


def _unspendable(node: RegtestNode, block_hash: str) -> int:
    transactions = node.rpc("getblock", block_hash, 2)["tx"]
    return sum(one["scriptPubKey"]["type"] == "nulldata" for tx in transactions for one in tx["vout"])


@pytest.mark.node
def test_on_a_node_that_pruned_the_block_it_is_a_precondition(fresh_node: Any, reach: Any) -> None:
    node = fresh_node(blocks=700, options=("-txindex=0", "-prune=1", "-fastprune"))
    node.rpc("pruneblockchain", 400)
    with pytest.raises(Precondition) as caught:
        get_block_stats.function(GetBlockStats(height=1), reach(node))
    assert caught.value.code == "bitcoin/pruned"
