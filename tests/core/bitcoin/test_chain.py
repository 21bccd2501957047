"""Where a follower starts: the last block that still stands, the blocks after one, a block before a time."""

from collections.abc import Iterator

import pytest

from isthmus.bitcoin import chain
from isthmus.failure import Unavailable
from tests.faults.chain_node import ChainNode
from tests.faults.world import World


@pytest.fixture
def node() -> Iterator[ChainNode]:
    return ChainNode(World({}, calm=True))


def test_a_block_in_the_chain_stands_however_deep(node: ChainNode) -> None:
    assert chain.standing(node, node.active[1], chain.tip(node), 5).height == 1


@pytest.mark.parametrize("gone", [1, 4])
def test_of_a_branch_that_left_its_root_stands(node: ChainNode, gone: int) -> None:
    node.mine(gone)
    left = node.active[-1]
    node.undo(gone)
    node.mine(gone + 1)
    assert chain.standing(node, left, chain.tip(node), 5).block_hash == node.active[109]


@pytest.mark.parametrize("block", ["0" * 64, ""])
def test_of_an_unknown_branch_so_many_blocks_are_looked_at_again(node: ChainNode, block: str) -> None:
    node.mine(7)
    left = node.active[-1]
    node.undo(7)
    node.mine(8)
    assert chain.standing(node, block or left, chain.tip(node), 5).block_hash == node.active[117 - 5]


def test_blocks_follow_each_other_up_to_the_tip_that_was(node: ChainNode) -> None:
    last = chain.tip(node)
    node.mine(3)
    found = list(chain.blocks_after(node, chain.header(node, node.active[100]), last))
    assert [one.block_hash for one in found] == node.active[101:110]


def test_blocks_of_two_branches_are_never_one_chain(node: ChainNode) -> None:
    start, last = chain.header(node, node.active[100]), chain.tip(node)
    blocks = chain.blocks_after(node, start, last)
    assert next(blocks).block_hash == node.active[101]
    node.undo(9)
    node.mine(10)
    assert list(blocks) == []


@pytest.mark.parametrize(("time_s", "height"), [(0, 0), (200 * 600, 55), (10**9, 255)])
def test_a_block_before_a_time_is_a_day_before_it(node: ChainNode, time_s: int, height: int) -> None:
    node.mine(290)
    assert chain.before(node, time_s, chain.tip(node)).height == height


def test_a_header_that_is_none_is_not_believed(node: ChainNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "getblockheader", lambda _: {"hash": "x"})
    with pytest.raises(Unavailable):
        chain.header(node, node.active[0])
