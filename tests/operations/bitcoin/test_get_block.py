import json
from decimal import Decimal
from typing import Any

import pytest

from functions.bitcoin.get_block import GetBlock, get_block
from infra.local.bitcoind import RegtestNode
from infra.local.demo_chain import ChainFacts
from isthmus import wiring
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.failure import Integrity, Invalid, NotFound, Unavailable
from isthmus.ports import BitcoinNode
from tests.operations.bitcoin.fakes import HASH, TXID, FakeNode, get, not_found

TXIDS = [f"{number:064x}" for number in range(7)]
BLOCK: dict[str, Any] = {
    "hash": HASH,
    "height": 5,
    "confirmations": 2,
    "version": -5,
    "previousblockhash": "11" * 32,
    "nextblockhash": "22" * 32,
    "merkleroot": TXID,
    "time": 1_296_688_602,
    "mediantime": 1_296_688_600,
    "nonce": 2,
    "bits": "207fffff",
    "difficulty": Decimal("4.656542373906925E-10"),
    "size": 285,
    "strippedsize": 285,
    "weight": 1140,
    "nTx": 7,
    "tx": TXIDS,
    "chainwork": "02",
}


def node_with(block: Any = BLOCK) -> FakeNode:
    return FakeNode(getblockhash=HASH, getblock=block, getblockcount=120)


def test_a_block_is_found_by_its_height_and_by_its_hash() -> None:
    by_height = get_block.function(GetBlock(height=5), node_with())
    by_hash = get_block.function(GetBlock(block_hash=HASH), node_with())
    assert by_height == by_hash
    assert (by_height.height, by_height.block_hash, by_height.merkle_root) == (5, HASH, TXID)
    assert by_height.difficulty == "0.0000000004656542373906925"
    assert by_height.txids == TXIDS


def test_a_stale_block_and_the_ends_of_the_chain_have_no_neighbours() -> None:
    ends = {name: value for name, value in BLOCK.items() if name not in ("previousblockhash", "nextblockhash")}
    block = get_block.function(GetBlock(height=5), node_with(ends | {"confirmations": -1}))
    assert (block.previous_block_hash, block.next_block_hash, block.confirmations) == (None, None, -1)


def test_pages_of_transaction_ids_follow_each_other_to_the_last() -> None:
    seen, offset = [], 0
    while offset is not None:
        page = get_block.function(GetBlock(height=5, offset=offset, limit=3), node_with())
        seen += [page.txids]
        offset = page.next_offset
    assert seen == [TXIDS[:3], TXIDS[3:6], TXIDS[6:]]


def test_a_page_that_ends_with_the_block_is_the_last_and_one_behind_it_is_empty() -> None:
    assert get_block.function(GetBlock(height=5, limit=7), node_with()).next_offset is None
    behind = get_block.function(GetBlock(height=5, offset=8), node_with())
    assert (behind.txids, behind.next_offset) == ([], None)


@pytest.mark.parametrize(
    ("request_", "detail"),
    [
        (GetBlock(), "Neither height nor block_hash is given."),
        (GetBlock(height=5, block_hash=HASH), "Both height and block_hash are given."),
    ],
)
def test_a_block_is_named_in_exactly_one_way_and_the_refusal_says_which_went_wrong(
    request_: GetBlock, detail: str
) -> None:
    with pytest.raises(Invalid) as caught:
        get_block.function(request_, node_with())
    assert caught.value.detail == detail
    assert [error.pointer for error in caught.value.errors] == ["/height", "/block_hash"]


def test_a_height_above_the_tip_is_not_found_and_the_tip_is_named() -> None:
    node = FakeNode(getblockhash=not_found(), getblockcount=120)
    with pytest.raises(NotFound) as caught:
        get_block.function(GetBlock(height=121), node)
    assert caught.value.detail == "There is no block at height 121: the tip is at 120."
    assert caught.value.code == "bitcoin/above-tip"


def test_an_unknown_hash_is_not_found() -> None:
    with pytest.raises(NotFound):
        get_block.function(GetBlock(block_hash=HASH), node_with(not_found()))


def test_another_block_than_the_one_asked_for_breaks_an_invariant() -> None:
    with pytest.raises(Integrity) as caught:
        get_block.function(GetBlock(block_hash=HASH), node_with(BLOCK | {"hash": "33" * 32}))
    assert caught.value.code == "bitcoin/wrong-block"


@pytest.mark.parametrize(
    "reply", [None, "00", [], BLOCK | {"tx": None}, BLOCK | {"tx": ["x"]}, BLOCK | {"tx": [5]}, BLOCK | {"bits": "x"}]
)
def test_a_block_in_another_form_is_unavailable(reply: Any) -> None:
    with pytest.raises(Unavailable) as caught:
        get_block.function(GetBlock(height=5), node_with(reply))
    assert caught.value.code == "bitcoin/undocumented"


@pytest.mark.parametrize("reply", ["x", None, HASH.upper()])
def test_a_hash_in_another_form_is_unavailable_and_never_asked_for(reply: Any) -> None:
    node = FakeNode(getblockhash=reply)
    with pytest.raises(Unavailable):
        get_block.function(GetBlock(height=5), node)
    assert node.asked == [("getblockhash", 5)]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"height": "-1"}, "/height"),
        ({"height": "1.5"}, "/height"),
        ({"height": str(2**31)}, "/height"),
        ({"block_hash": HASH.upper()}, "/block_hash"),
        ({"height": "1", "limit": "0"}, "/limit"),
        ({"height": "1", "limit": "201"}, "/limit"),
        ({"height": "1", "offset": "-1"}, "/offset"),
        ({"height": "1", "verbose": "true"}, "/verbose"),
    ],
)
def test_a_refused_field_is_named(query: dict[str, str], pointer: str) -> None:
    with wiring.replaced({BitcoinNode: FakeNode()}):
        answer = get_block(get(query), None)
    assert answer["statusCode"] == 422
    assert [error["pointer"] for error in json.loads(answer["body"])["errors"]] == [pointer]


def test_a_query_string_is_read_as_numbers() -> None:
    with wiring.replaced({BitcoinNode: node_with()}):
        answer = get_block(get({"height": "5", "limit": "2", "offset": "1"}), None)
    assert json.loads(answer["body"])["txids"] == TXIDS[1:3]


@pytest.mark.node
def test_on_a_real_node_it_says_what_the_chain_was_built_to_hold(
    lively_bitcoin: BitcoinCore, lively_node: RegtestNode, lively_facts: ChainFacts
) -> None:
    facts = max(lively_facts.blocks, key=lambda block: block.transactions)
    block = get_block.function(GetBlock(height=facts.height, limit=200), lively_bitcoin)
    header = lively_node.rpc("getblockheader", facts.block_hash)
    assert (block.block_hash, block.weight, block.time) == (facts.block_hash, facts.weight, facts.time_s)
    assert block.n_tx == facts.transactions + 1
    assert block.txids == lively_node.rpc("getblock", facts.block_hash, 1)["tx"][:200]
    assert (block.merkle_root, block.previous_block_hash) == (header["merkleroot"], header["previousblockhash"])
    assert block.size == len(lively_node.rpc("getblock", facts.block_hash, 0)) // 2
    tip = get_block.function(GetBlock(block_hash=lively_node.rpc("getbestblockhash")), lively_bitcoin)
    assert tip.next_block_hash is None
    assert tip.confirmations == 1


@pytest.mark.node
def test_on_a_real_node_the_height_above_the_tip_is_not_found(bitcoin: BitcoinCore, node: RegtestNode) -> None:
    tip = node.rpc("getblockcount")
    with pytest.raises(NotFound, match=f"the tip is at {tip}"):
        get_block.function(GetBlock(height=tip + 1), bitcoin)
