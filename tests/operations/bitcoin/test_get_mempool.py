import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.bitcoin.get_mempool import GetMempool, get_mempool
from infra.local.bitcoind import RegtestNode
from infra.local.demo_chain import ChainFacts
from isthmus import wiring
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.bitcoin.mempool import MAX_WHOLE, SAMPLE, Waiting, histogram, percentiles
from isthmus.failure import Precondition, Unavailable
from isthmus.ports import BitcoinNode
from tests.operations.bitcoin.conftest import Send
from tests.operations.bitcoin.fakes import FakeNode, get, not_found

TOTALS: dict[str, Any] = {
    "loaded": True,
    "size": 3,
    "bytes": 1000,
    "usage": 5000,
    "maxmempool": 300_000_000,
    "total_fee": Decimal("0.00010000"),
    "mempoolminfee": Decimal("0.00000200"),
    "minrelaytxfee": Decimal("0.00000100"),
}

waiting = st.builds(
    Waiting,
    feerate_sat_per_kvb=st.integers(0, 10**6),
    vsize=st.integers(60, 100_000),
    fee_sat=st.integers(0, 10**8),
)


def entry(fee_sat: int, vsize: int) -> dict[str, Any]:
    return {"vsize": vsize, "weight": vsize * 4, "fees": {"base": Decimal(fee_sat) / 10**8, "modified": 0}}


ENTRIES = {"aa" * 32: entry(100, 100), "bb" * 32: entry(1700, 850), "cc" * 32: entry(500, 50)}


def node_with(totals: Any = TOTALS, entries: Any = ENTRIES, **others: Any) -> FakeNode:
    return FakeNode(getmempoolinfo=totals, getrawmempool=lambda *_: entries, **others)


def ask(node: Any) -> Any:
    return get_mempool.function(GetMempool(), node)


def test_totals_are_the_node_s_and_the_floor_is_the_higher_of_its_two() -> None:
    pool = ask(node_with())
    assert (pool.count, pool.vsize, pool.usage_bytes, pool.max_usage_bytes) == (3, 1000, 5000, 300_000_000)
    assert (pool.total_fee_sat, pool.floor_sat_per_kvb, pool.loaded) == (10_000, 200, True)
    higher = TOTALS | {"minrelaytxfee": Decimal("0.00001000")}
    assert ask(node_with(higher)).floor_sat_per_kvb == 1000


def test_percentiles_are_weighted_by_size_and_not_by_number() -> None:
    pool = ask(node_with())
    shares = pool.feerate_percentiles_sat_per_kvb
    assert shares == {"p5": 1000, "p10": 1000, "p25": 2000, "p50": 2000, "p75": 2000, "p90": 2000, "p95": 2000}


def test_the_histogram_puts_each_transaction_between_its_bounds() -> None:
    filled = [one for one in ask(node_with()).histogram if one.count]
    assert [(one.from_sat_per_kvb, one.to_sat_per_kvb, one.count, one.vsize, one.fee_sat) for one in filled] == [
        (1000, 2000, 1, 100, 100),
        (2000, 3000, 1, 850, 1700),
        (10_000, 20_000, 1, 50, 500),
    ]


def test_an_empty_mempool_has_no_percentiles_and_empty_buckets() -> None:
    pool = ask(node_with(TOTALS | {"size": 0, "bytes": 0}, {}))
    assert pool.feerate_percentiles_sat_per_kvb is None
    assert sum(one.count for one in pool.histogram) == 0
    assert pool.histogram[-1].to_sat_per_kvb is None


def test_an_old_node_that_does_not_add_up_its_fees_is_no_trouble() -> None:
    assert ask(node_with({name: value for name, value in TOTALS.items() if name != "total_fee"})).total_fee_sat is None


def test_a_huge_mempool_is_sampled_and_says_so() -> None:
    txids = [f"{number:064x}" for number in range(MAX_WHOLE + 1)]

    def one(txid: str) -> Any:
        return not_found("bitcoin/not-in-mempool") if int(txid, 16) % 2 else entry(300, 100)

    node = node_with(TOTALS | {"size": len(txids)}, txids, getmempoolentry=one)
    pool = ask(node)
    assert pool.sampled is True
    assert len(node.asked) == SAMPLE + 2
    assert 0 < pool.n_read < SAMPLE
    assert pool.feerate_percentiles_sat_per_kvb["p50"] == 3000
    assert ("getrawmempool", True) not in node.asked


@pytest.mark.parametrize(
    "node",
    [
        node_with(None),
        node_with(TOTALS | {"size": "3"}),
        node_with(TOTALS | {"mempoolminfee": "0.1"}),
        node_with(entries=[]),
        node_with(entries={"aa": {"vsize": 0, "fees": {"base": 0}}}),
        node_with(entries={"aa": {"vsize": 5, "fees": None}}),
        node_with(TOTALS | {"size": MAX_WHOLE + 1}, {}),
        node_with(TOTALS | {"size": MAX_WHOLE + 1}, ["zz"], getmempoolentry=5),
    ],
)
def test_a_mempool_in_another_form_is_unavailable(node: FakeNode) -> None:
    with pytest.raises(Unavailable) as caught:
        ask(node)
    assert caught.value.code == "bitcoin/undocumented"


def test_a_node_without_a_mempool_is_a_precondition() -> None:
    missing = Precondition("No mempool.", next_step="Ask another node.", code="bitcoin/no-mempool")
    with pytest.raises(Precondition):
        ask(node_with(missing))


@given(st.lists(waiting, min_size=1, max_size=50))
def test_a_percentile_is_where_that_share_of_the_bytes_is_reached(rows: list[Waiting]) -> None:
    total = sum(one.vsize for one in rows)
    for name, feerate in (percentiles(rows) or {}).items():
        share = int(name[1:])
        at_or_below = sum(one.vsize for one in rows if one.feerate_sat_per_kvb <= feerate)
        below = sum(one.vsize for one in rows if one.feerate_sat_per_kvb < feerate)
        assert at_or_below * 100 >= total * share
        assert below * 100 < total * share


@given(st.lists(waiting, max_size=50))
def test_every_transaction_is_in_exactly_one_bucket(rows: list[Waiting]) -> None:
    buckets = histogram(rows)
    assert sum(one.count for one in buckets) == len(rows)
    assert sum(one.vsize for one in buckets) == sum(one.vsize for one in rows)
    assert sum(one.fee_sat for one in buckets) == sum(one.fee_sat for one in rows)
    for low, high in pairwise(buckets):
        assert low.to_sat_per_kvb == high.from_sat_per_kvb


def test_over_http_it_answers_numbers() -> None:
    with wiring.replaced({BitcoinNode: node_with()}):
        assert json.loads(get_mempool(get(), None)["body"])["count"] == 3


@pytest.mark.node
def test_on_a_real_node_everything_that_waits_is_counted_once(
    lively_bitcoin: BitcoinCore, lively_node: RegtestNode, lively_facts: ChainFacts
) -> None:
    pool = ask(lively_bitcoin)
    entries = lively_node.rpc("getrawmempool", True).values()
    assert pool.count == pool.n_read == len(entries) == lively_facts.waiting
    assert pool.vsize == sum(one["vsize"] for one in entries) == sum(one.vsize for one in pool.histogram)
    fees = sum(int(one["fees"]["base"] * 10**8) for one in entries)
    assert pool.total_fee_sat == fees == sum(one.fee_sat for one in pool.histogram)
    assert pool.sampled is False
    assert list(pool.feerate_percentiles_sat_per_kvb.values()) == sorted(pool.feerate_percentiles_sat_per_kvb.values())


@pytest.mark.node
def test_on_a_real_node_a_transaction_waits_at_the_feerate_it_was_sent_with(
    fresh_node: Any, reach: Any, send: Send
) -> None:
    node = fresh_node(blocks=101)
    txid = send(node, 5_000)
    vsize = node.rpc("getmempoolentry", txid)["vsize"]
    pool = ask(reach(node))
    assert pool.count == 1
    assert pool.feerate_percentiles_sat_per_kvb["p50"] == 5_000 * 1000 // vsize
