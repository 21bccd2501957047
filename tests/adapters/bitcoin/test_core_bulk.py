"""Blocks and spent outputs over REST, and over RPC where a node offers no REST."""

from collections.abc import Callable
from typing import Any

import pytest

from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.failure import Integrity, Invalid, NotFound, Precondition, Unavailable, Unsupported
from tests.adapters.bitcoin.lying_node import GENESIS, Act, LyingNode, Serve, error, hang_up, octets, result, status

Connect = Callable[..., BitcoinCore]

HEADER = bytes.fromhex(
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3"
    "888a51323a9fb8aa4b1e5e4adae5494dffff7f2002000000"
)
BLOCK = HEADER + b"\x01the rest of the block"


def paths(node: LyingNode) -> list[str]:
    return [request[1] for request in node.asked]


def test_a_block_comes_over_rest_without_our_password(lying: Serve, connect: Connect) -> None:
    node = lying(result("00"))
    node.rest = octets(BLOCK)
    assert connect(node.url()).raw_block(GENESIS) == BLOCK
    assert paths(node) == [f"/rest/block/{GENESIS}.bin"]
    assert "authorization" not in {name.lower() for name in node.asked[0][2]}


@pytest.mark.parametrize("code", [403, 404, 405])
def test_a_node_without_rest_is_asked_over_rpc_and_not_for_rest_again(
    lying: Serve, connect: Connect, code: int
) -> None:
    node = lying(result(BLOCK.hex()))
    node.rest = status(code)
    bitcoin = connect(node.url())
    assert [bitcoin.raw_block(GENESIS), bitcoin.raw_block(GENESIS)] == [BLOCK, BLOCK]
    assert paths(node) == [f"/rest/block/{GENESIS}.bin", "/", "/"]


@pytest.mark.parametrize("rest", [status(503), hang_up], ids=["busy", "cut"])
def test_a_rest_service_in_trouble_is_tried_again_next_time(lying: Serve, connect: Connect, rest: Act) -> None:
    node = lying(result(BLOCK.hex()))
    node.rest = rest
    bitcoin = connect(node.url())
    assert bitcoin.raw_block(GENESIS) == BLOCK
    node.rest = octets(BLOCK)
    assert bitcoin.raw_block(GENESIS) == BLOCK
    assert paths(node) == [f"/rest/block/{GENESIS}.bin", "/", f"/rest/block/{GENESIS}.bin"]


def test_a_block_that_rest_and_rpc_lack_is_not_found_and_rest_stays_on(lying: Serve, connect: Connect) -> None:
    node = lying(error(-5))
    bitcoin = connect(node.url())
    with pytest.raises(NotFound):
        bitcoin.raw_block(GENESIS)
    node.rest = octets(BLOCK)
    assert bitcoin.raw_block(GENESIS) == BLOCK


def test_a_page_in_place_of_rest_bytes_is_not_taken_for_a_block(lying: Serve, connect: Connect) -> None:
    node = lying(result(BLOCK.hex()))
    node.rest = status(200)
    assert connect(node.url()).raw_block(GENESIS) == BLOCK


@pytest.mark.parametrize("rest", [octets(b"another" + BLOCK), octets(b""), status(404)])
def test_another_block_than_the_one_asked_for_breaks_an_invariant(lying: Serve, connect: Connect, rest: Act) -> None:
    node = lying(result("aa" * 100))
    node.rest = rest
    with pytest.raises(Integrity) as caught:
        connect(node.url()).raw_block(GENESIS)
    assert caught.value.code == "bitcoin/wrong-block"


@pytest.mark.parametrize("answer", ["xyz", 5, None, {"tx": 1}])
def test_a_block_that_is_not_hexadecimal_is_refused(lying: Serve, connect: Connect, answer: Any) -> None:
    with pytest.raises(Unavailable) as caught:
        connect(lying(result(answer)).url()).raw_block(GENESIS)
    assert caught.value.code == "bitcoin/undocumented"


@pytest.mark.parametrize("block_hash", ["", "AA" * 32, "aa" * 31, "../../wallet", "aa" * 32 + "\r\nx: y"])
def test_what_is_not_a_block_hash_never_becomes_part_of_a_path(lying: Serve, connect: Connect, block_hash: str) -> None:
    node = lying()
    for fetch in (connect(node.url()).raw_block, connect(node.url()).spent_outputs):
        with pytest.raises(Invalid):
            fetch(block_hash)
    assert node.asked == []


def test_a_pruned_block_is_told_from_other_trouble_by_asking_whether_the_node_prunes(
    lying: Serve, connect: Connect
) -> None:
    with pytest.raises(Precondition) as caught:
        connect(lying(error(-1), result({"pruned": True})).url()).raw_block(GENESIS)
    assert caught.value.code == "bitcoin/pruned"
    with pytest.raises(Unavailable) as trouble:
        connect(lying(error(-1), result({"pruned": False})).url()).raw_block(GENESIS)
    assert trouble.value.code == "bitcoin/node-trouble"


def block_of(*inputs: Any) -> Act:
    return result({"tx": [{"vin": [{"coinbase": "00"}]}, {"vin": list(inputs)}]})


def test_spent_outputs_are_built_from_json_where_rest_lacks_them(lying: Serve, connect: Connect) -> None:
    spent = {"prevout": {"value": 1, "scriptPubKey": {"hex": "51"}}}
    assert connect(lying(block_of(spent)).url()).spent_outputs(GENESIS) == bytes.fromhex(
        "02 00 01 00e1f50500000000 01 51"
    )


def test_a_node_that_does_not_say_what_a_block_spends_is_not_supported(lying: Serve, connect: Connect) -> None:
    with pytest.raises(Unsupported) as caught:
        connect(lying(block_of({"txid": GENESIS, "vout": 0})).url()).spent_outputs(GENESIS)
    assert caught.value.code == "bitcoin/no-spent-outputs"


@pytest.mark.parametrize(
    "act",
    [
        result(None),
        result([1]),
        block_of(7),
        block_of({"prevout": None}),
        block_of({"prevout": {"value": 0.123456789, "scriptPubKey": {"hex": "51"}}}),
        block_of({"prevout": {"value": "1", "scriptPubKey": {"hex": "51"}}}),
        block_of({"prevout": {"value": 1, "scriptPubKey": {"hex": "5"}}}),
    ],
)
def test_spent_outputs_of_another_shape_are_refused(lying: Serve, connect: Connect, act: Act) -> None:
    with pytest.raises(Unavailable) as caught:
        connect(lying(act).url()).spent_outputs(GENESIS)
    assert caught.value.code == "bitcoin/undocumented"
