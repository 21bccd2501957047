import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.bitcoin.estimate_fee import EstimateFee, estimate_fee
from infra.local.bitcoind import RegtestNode
from isthmus import wiring
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.bitcoin.fees import recommended
from isthmus.bitcoin.mempool import BLOCK_VSIZE, MAX_WHOLE
from isthmus.failure import Defect, Precondition, Unavailable
from isthmus.ports import BitcoinNode
from tests.operations.bitcoin.conftest import Send
from tests.operations.bitcoin.fakes import FakeNode, get, unavailable

VSIZE = 100_000
FULL = range(1_000, 31_000, 1_000)  # thirty transactions of a tenth of a block each, from 1 to 30 sat per vB

feerates = st.integers(0, 10**6)


def totals(vsize: int, size: int = 30) -> dict[str, Any]:
    return {
        "size": size,
        "bytes": vsize,
        "usage": vsize,
        "maxmempool": 300_000_000,
        "mempoolminfee": Decimal("0.00000500"),
        "minrelaytxfee": Decimal("0.00000100"),
    }


def entry(feerate: int) -> dict[str, Any]:
    return {"vsize": VSIZE, "fees": {"base": Decimal(feerate * VSIZE // 1000) / 10**8}}


def template(*rows: tuple[int, int]) -> dict[str, Any]:
    """A projected block of (feerate in sat per kvB, weight) rows."""
    made = [{"fee": feerate * weight // 4000, "weight": weight} for feerate, weight in rows]
    return {"transactions": made, "weightlimit": 4_000_000}


def node_with(estimate: Any = None, feerates: Any = FULL, projected: Any = None, **others: Any) -> FakeNode:
    entries = {f"{number:064x}": entry(feerate) for number, feerate in enumerate(feerates)}
    replies: dict[str, Any] = {
        "estimatesmartfee": estimate or {"errors": ["<script>Insufficient data"], "blocks": 0},
        "getmempoolinfo": totals(VSIZE * len(entries)),
        "getrawmempool": entries,
        "getblocktemplate": projected
        or Precondition("No peers.", next_step="Connect the node.", code="bitcoin/no-peers"),
    }
    return FakeNode(**replies | others)


def known(btc_per_kvb: str, blocks: int = 6) -> dict[str, Any]:
    return {"feerate": Decimal(btc_per_kvb), "blocks": blocks}


def ask(node: Any, **fields: Any) -> Any:
    return estimate_fee.function(EstimateFee(**fields), node)


def test_a_node_that_has_seen_too_little_says_so_by_a_code_and_not_in_its_words() -> None:
    answer = ask(node_with())
    assert (answer.node_sat_per_kvb, answer.node_blocks, answer.node_reason) == (None, None, "insufficient-data")
    assert "script" not in answer.model_dump_json()


def test_the_node_s_estimate_names_the_target_it_answered_for() -> None:
    answer = ask(node_with(known("0.00012345", blocks=2)), blocks=1)
    assert (answer.node_sat_per_kvb, answer.node_blocks, answer.node_reason) == (12_345, 2, None)


def test_the_node_is_asked_for_the_target_and_mode_of_the_request() -> None:
    node = node_with()
    ask(node, blocks=144, mode="conservative")
    assert node.asked[0] == ("estimatesmartfee", 144, "CONSERVATIVE")


def test_when_all_that_waits_fits_into_a_block_the_floor_is_enough() -> None:
    answer = ask(node_with(feerates=[50_000]))
    assert (answer.next_block_sat_per_kvb, answer.next_block_basis) == (500, "mempool-clears")
    assert answer.recommended_sat_per_kvb == answer.floor_sat_per_kvb == 500


def test_a_block_that_is_full_to_the_last_byte_still_takes_the_floor() -> None:
    node = node_with(getmempoolinfo=totals(BLOCK_VSIZE))
    assert ask(node).next_block_basis == "mempool-clears"
    over = ask(node_with(getmempoolinfo=totals(2 * BLOCK_VSIZE)), blocks=2)
    assert (over.next_block_basis, over.within_blocks_sat_per_kvb) == ("mempool", 500)


def test_without_a_projected_block_the_order_of_the_mempool_says_what_the_next_one_takes() -> None:
    answer = ask(node_with())
    assert answer.next_block_basis == "mempool"
    assert answer.next_block_sat_per_kvb == 21_000


@pytest.mark.parametrize(("blocks", "expected"), [(1, 21_000), (2, 11_000), (3, 1_000), (4, 500)])
def test_more_blocks_take_cheaper_transactions_until_the_floor(blocks: int, expected: int) -> None:
    assert ask(node_with(), blocks=blocks).within_blocks_sat_per_kvb == expected


def test_a_full_projected_block_counts_more_than_the_order_of_the_mempool() -> None:
    answer = ask(node_with(projected=template((9_000, 2_000_000), (7_000, 1_500_000), (1, 300_000))), blocks=1)
    assert (answer.next_block_sat_per_kvb, answer.next_block_basis) == (7_000, "block-template")
    assert answer.within_blocks_sat_per_kvb == 7_000


def test_a_projected_block_never_takes_less_than_the_floor() -> None:
    assert ask(node_with(projected=template((100, 4_000_000)))).next_block_sat_per_kvb == 500


def test_a_projected_block_that_the_node_keeps_small_says_nothing() -> None:
    for weight in (1_000_000, 3_599_999):
        assert ask(node_with(projected=template((9_000, weight)))).next_block_basis == "mempool"
    assert ask(node_with(projected=template((9_000, 3_600_000)))).next_block_basis == "block-template"


@pytest.mark.parametrize("kind", [Precondition, Defect])
def test_a_node_that_cannot_project_a_block_is_no_trouble(kind: Any) -> None:
    refusal = kind("No.", next_step="No.", code="bitcoin/syncing")
    assert ask(node_with(projected=refusal)).next_block_basis == "mempool"


def test_a_sample_of_a_huge_mempool_stands_for_the_whole_in_proportion() -> None:
    txids = [f"{number:064x}" for number in range(MAX_WHOLE + 1)]
    node = node_with(
        getmempoolinfo=totals(10 * BLOCK_VSIZE, size=len(txids)),
        getrawmempool=txids,
        getmempoolentry=lambda txid: entry(10_000 if int(txid, 16) % 2 else 2_000),
    )
    assert ask(node, blocks=2).within_blocks_sat_per_kvb == 10_000
    assert ask(node, blocks=9).within_blocks_sat_per_kvb == 2_000


@pytest.mark.parametrize(
    ("mode", "node_estimate", "floor", "next_block", "within", "expected"),
    [
        ("economical", None, 100, 9_000, 2_000, 9_000),
        ("conservative", None, 100, 9_000, 2_000, 9_000),
        ("conservative", 5_000, 100, 1_000, 500, 5_000),
        ("conservative", 500, 100, 9_000, 2_000, 2_000),
        ("conservative", 50, 100, 100, 100, 100),
        ("economical", 5_000, 100, 1_000, 500, 1_000),
        ("economical", 5_000, 100, 9_000, 2_000, 5_000),
        ("economical", 500, 100, 9_000, 2_000, 2_000),
        ("economical", 50, 100, 100, 100, 100),
    ],
)
def test_the_rule_case_by_case(
    mode: Any, node_estimate: int | None, floor: int, next_block: int, within: int, expected: int
) -> None:
    assert recommended(mode, node_estimate, floor, next_block, within) == expected


@given(st.none() | feerates, feerates, feerates, feerates)
def test_the_recommendation_is_never_below_the_floor_or_what_the_blocks_take_and_economy_never_costs_more(
    node_estimate: int | None, floor: int, next_block: int, within: int
) -> None:
    within, next_block = min(within, next_block), max(next_block, floor)
    economical = recommended("economical", node_estimate, floor, next_block, within)
    conservative = recommended("conservative", node_estimate, floor, next_block, within)
    assert max(floor, within) <= economical <= conservative


@pytest.mark.parametrize(
    "node",
    [
        node_with({"blocks": "6"}),
        node_with({"feerate": "0.1", "blocks": 6}),
        node_with(projected={"transactions": [{"fee": 1}], "weightlimit": 4_000_000}),
        node_with(projected={"transactions": [{"fee": 1, "weight": 0}], "weightlimit": 4_000_000}),
        node_with(projected={"transactions": 5}),
        node_with(projected="text"),
    ],
)
def test_an_estimate_in_another_form_is_unavailable(node: FakeNode) -> None:
    with pytest.raises(Unavailable) as caught:
        ask(node)
    assert caught.value.code == "bitcoin/undocumented"


def test_a_node_that_is_down_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        ask(node_with(unavailable("bitcoin/unreachable")))


@pytest.mark.parametrize("query", [{"blocks": "0"}, {"blocks": "1009"}, {"mode": "cheap"}, {"mode": "ECONOMICAL"}])
def test_a_target_or_mode_out_of_range_is_refused(query: dict[str, str]) -> None:
    with wiring.replaced({BitcoinNode: node_with()}):
        assert estimate_fee(get(query), None)["statusCode"] == 422
        assert json.loads(estimate_fee(get({"blocks": "3"}), None)["body"])["within_blocks_sat_per_kvb"] == 1_000


@pytest.mark.node
@pytest.mark.parametrize("mode", ["economical", "conservative"])
def test_on_a_real_node_the_parts_are_what_the_node_says_and_the_rule_holds(
    lively_bitcoin: BitcoinCore, lively_node: RegtestNode, mode: Any
) -> None:
    answer = ask(lively_bitcoin, blocks=6, mode=mode)
    theirs = lively_node.rpc("estimatesmartfee", 6, mode.upper())
    info = lively_node.rpc("getmempoolinfo")
    assert answer.node_sat_per_kvb == (int(theirs["feerate"] * 10**8) if "feerate" in theirs else None)
    assert answer.floor_sat_per_kvb == int(max(info["mempoolminfee"], info["minrelaytxfee"]) * 10**8)
    assert answer.next_block_basis == "mempool-clears"
    assert answer.recommended_sat_per_kvb == recommended(
        mode, answer.node_sat_per_kvb, answer.floor_sat_per_kvb, answer.floor_sat_per_kvb, answer.floor_sat_per_kvb
    )


@pytest.mark.node
def test_on_a_real_node_the_projected_block_is_read(lively_bitcoin: BitcoinCore, lively_node: RegtestNode) -> None:
    from isthmus.bitcoin.mempool import template_feerate

    projected = lively_bitcoin.call("getblocktemplate", {"rules": ["segwit", "signet"]})
    assert projected["transactions"]
    assert template_feerate(projected) is None  # far from full
    weight = sum(one["weight"] for one in projected["transactions"])
    feerate = template_feerate(projected | {"weightlimit": weight})
    feerates = sorted(one["fee"] * 4000 // one["weight"] for one in projected["transactions"])
    assert feerates[0] <= (feerate or 0) <= feerates[-1]


@pytest.mark.node
def test_on_a_real_node_the_next_block_takes_what_the_answer_said_it_would(
    fresh_node: Any, reach: Any, send: Send
) -> None:
    node = fresh_node(blocks=115)
    payouts = ((1_000, b"\x51\x20" + b"\x22" * 32),) * 2_200
    for feerate in range(2, 15):  # thirteen transactions of a tenth of a block each, from 2 to 14 sat per vB
        send(node, feerate * 95_200, outputs=payouts)
    answer = ask(reach(node), blocks=2)
    waiting = node.rpc("getrawmempool", True)
    [mined] = node.mine(1)
    taken = node.rpc("getblock", mined, 1)["tx"][1:]
    feerates = {txid: int(one["fees"]["base"] * 10**11) // one["vsize"] for txid, one in waiting.items()}
    assert 0 < len(taken) < len(waiting)
    assert answer.next_block_basis == "block-template"
    assert answer.next_block_sat_per_kvb == min(feerates[txid] for txid in taken)
    assert answer.within_blocks_sat_per_kvb == answer.floor_sat_per_kvb
