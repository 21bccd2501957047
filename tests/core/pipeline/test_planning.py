"""Planning and committing: whatever the chain does, the tables follow."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.failure import Conflict, Invalid, Precondition
from isthmus.pipeline.manifest import Manifest, merged
from isthmus.pipeline.planning import MAX_BATCHES, Chain, check_range, look_at, plan
from isthmus.pipeline.segments import Segment, Window, windows

GENESIS = "00" * 32


class FakeChain:
    """A node that knows the hashes of a chain and nothing else."""

    def __init__(self, blocks: int, *, chain: str = "regtest", syncing: bool = False, pruned_below: int = 0) -> None:
        self.hashes = [GENESIS]
        self.made = 0
        self.chain, self.syncing, self.pruned_below = chain, syncing, pruned_below
        self.extend(blocks)

    def extend(self, blocks: int) -> None:
        for _ in range(blocks):
            self.made += 1
            self.hashes.append(f"{self.made:064x}")

    def reorganise(self, depth: int, blocks: int) -> None:
        self.hashes = self.hashes[: max(1, len(self.hashes) - depth)]
        self.extend(blocks)

    @property
    def tip(self) -> int:
        return len(self.hashes) - 1

    def call(self, method: str, *params: Any, deadline_s: float = 20.0) -> Any:
        if method == "getblockhash":
            return self.hashes[params[0]]
        info = {"chain": self.chain, "blocks": self.tip, "headers": self.tip, "initialblockdownload": self.syncing}
        return info | {"pruned": bool(self.pruned_below), "pruneheight": self.pruned_below}

    def batch(self, method: str, params: Sequence[tuple[Any, ...]]) -> list[Any]:
        return [self.call(method, *one) for one in params]

    def raw_block(self, block_hash: str) -> bytes:
        raise NotImplementedError

    def spent_outputs(self, block_hash: str) -> bytes:
        raise NotImplementedError

    def segment(self, window: Window) -> Segment:
        previous = self.hashes[window.first - 1] if window.first else GENESIS
        return Segment(window.first, window.last, self.hashes[window.last], previous, 1, 1)


def empty() -> Manifest:
    return Manifest(version=0, genesis=GENESIS, follow_from=0, segments=())


def caught_up(chain: FakeChain, manifest: Manifest) -> Manifest:
    while True:
        wanted = plan(chain, look_at(chain), manifest, (0, chain.tip), follow=True)
        if not wanted.batches and not wanted.retract:
            return manifest
        manifest = merged(manifest, [chain.segment(window) for window in wanted.batches], set(wanted.retract))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 40)), max_size=6))
def test_after_any_reorganisations_the_tables_equal_a_fresh_collection(moves: list[tuple[int, int]]) -> None:
    chain = FakeChain(300)
    manifest = caught_up(chain, empty())

    for depth, blocks in moves:
        chain.reorganise(depth, blocks)
        manifest = caught_up(chain, manifest)

    held = [h for s in manifest.segments for h in range(s.first, s.last + 1)]
    assert held == list(range(chain.tip + 1))
    assert all(s.block_hash == chain.hashes[s.last] for s in manifest.segments)
    assert len(manifest.segments) <= len(list(windows(0, chain.tip, chain.tip)))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 200), st.integers(0, 30), st.integers(0, 40)), max_size=5)
)
def test_the_tables_hold_every_range_that_was_ever_asked(moves: list[tuple[int, int, int, int]]) -> None:
    chain = FakeChain(320)
    manifest = replace(empty(), follow_from=None)
    asked: set[int] = set()

    for first, more, depth, blocks in moves:
        chain.reorganise(depth, blocks)
        heights = range(min(first, chain.tip), min(first + more, chain.tip) + 1)
        wanted = plan(chain, look_at(chain), manifest, (heights[0], heights[-1]), follow=False)
        manifest = merged(manifest, [chain.segment(window) for window in wanted.batches], set(wanted.retract))
        asked |= set(heights)

        held = [h for s in manifest.segments for h in range(s.first, s.last + 1)]
        assert held == sorted(height for height in asked if height <= chain.tip)
        assert plan(chain, look_at(chain), manifest, (heights[0], heights[-1]), follow=False).batches == ()


def test_a_reorganisation_is_one_commit_that_retracts_and_appends() -> None:
    chain = FakeChain(30)
    manifest = caught_up(chain, empty())
    orphans = [s.id for s in manifest.segments if s.last > 27]
    chain.reorganise(3, 5)

    wanted = plan(chain, look_at(chain), manifest, (0, chain.tip), follow=True)

    assert set(wanted.retract) == set(orphans)
    after = merged(manifest, [chain.segment(w) for w in wanted.batches], set(wanted.retract))
    assert set(orphans) <= set(after.retracted)
    assert after.segments[-1].block_hash == chain.hashes[-1]


def test_a_lost_tip_is_retracted_even_when_nothing_replaces_it() -> None:
    chain = FakeChain(30)
    manifest = caught_up(chain, empty())
    chain.reorganise(2, 0)

    wanted = plan(chain, look_at(chain), manifest, None, follow=False)

    assert (wanted.batches, len(wanted.retract)) == ((), 2)


def test_what_a_reorganisation_took_is_collected_later_when_that_fails_at_first() -> None:
    chain = FakeChain(30)
    asked = merged(replace(empty(), follow_from=None), [chain.segment(w) for w in windows(25, 30, 30)], set())
    chain.reorganise(3, 5)
    wanted = plan(chain, look_at(chain), asked, None, follow=False)

    retracted = merged(asked, [], set(wanted.retract))
    again = plan(chain, look_at(chain), retracted, None, follow=False)

    assert again.batches == wanted.batches == (Window(28, 28), Window(29, 29), Window(30, 30))


def test_an_orphan_below_a_gap_is_found() -> None:
    chain = FakeChain(30)
    orphan = chain.segment(Window(25, 25))
    chain.reorganise(10, 15)
    torn = merged(replace(empty(), follow_from=None), [orphan, chain.segment(Window(28, 28))], set())

    wanted = plan(chain, look_at(chain), torn, None, follow=False)

    assert (wanted.batches, wanted.retract) == ((Window(25, 25),), (orphan.id,))


def test_a_reorganisation_inside_a_large_segment_collects_what_it_still_shares() -> None:
    chain = FakeChain(60)
    manifest = caught_up(chain, empty())
    chain.reorganise(20, 30)

    manifest = caught_up(chain, manifest)

    assert [h for s in manifest.segments for h in range(s.first, s.last + 1)] == list(range(71))


def test_heights_outside_of_what_was_asked_are_left_alone() -> None:
    chain = FakeChain(400)
    first = merged(replace(empty(), follow_from=None), [chain.segment(Window(10, 10))], set())

    wanted = plan(chain, look_at(chain), first, (300, 302), follow=False)

    assert wanted.batches == (Window(300, 300), Window(301, 301), Window(302, 302))
    assert wanted.retract == ()


def test_small_segments_are_replaced_by_a_large_one_when_it_settles() -> None:
    chain = FakeChain(17)
    manifest = caught_up(chain, empty())
    assert len(manifest.segments) == 1 + 6
    chain.extend(12)

    manifest = caught_up(chain, manifest)

    assert [(s.first, s.last) for s in manifest.segments][:2] == [(0, 11), (12, 23)]


def test_a_run_is_limited_and_says_what_remains() -> None:
    chain = FakeChain(144 * (MAX_BATCHES + 3) + 5)

    wanted = plan(chain, look_at(chain), None, (0, 144 * (MAX_BATCHES + 3) - 1), follow=False)

    assert (len(wanted.batches), wanted.remaining) == (MAX_BATCHES, 3)


def test_tables_of_another_chain_are_refused() -> None:
    chain = FakeChain(3)

    with pytest.raises(Precondition, match="another chain"):
        plan(chain, replace(look_at(chain), genesis="ff" * 32), empty(), (0, 3), follow=False)


def test_segments_that_do_not_link_are_refused_and_nothing_is_committed() -> None:
    chain = FakeChain(5)
    manifest = merged(empty(), [chain.segment(Window(1, 1))], set())
    stranger = replace(chain.segment(Window(2, 2)), previous_hash="ee" * 32)

    with pytest.raises(Conflict, match="one chain"):
        merged(manifest, [stranger], set())


def test_a_plan_older_than_the_manifest_loses_nothing() -> None:
    chain = FakeChain(200)
    wanted = plan(chain, look_at(chain), empty(), (3, 5), follow=False)
    meanwhile = merged(empty(), [chain.segment(Window(0, 143))], set())

    assert merged(meanwhile, [chain.segment(window) for window in wanted.batches], set(wanted.retract)) == meanwhile


def test_committing_the_same_segments_again_changes_nothing() -> None:
    chain = FakeChain(20)
    added = [chain.segment(window) for window in windows(0, 20, 20)]
    once = merged(empty(), added, set())

    assert merged(once, added, set()) == once


@pytest.mark.parametrize(
    ("first", "last", "pointer"), [(11, None, "/from_height"), (0, 11, "/to_height"), (5, 4, "/to_height")]
)
def test_heights_that_are_not_on_the_chain_are_refused_by_name(first: int, last: int | None, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_range(Chain("regtest", GENESIS, 10, 0), first, last)

    assert [error.pointer for error in refused.value.errors] == [pointer]


def test_pruned_heights_are_refused_with_the_lowest_that_is_there() -> None:
    node = FakeChain(100, pruned_below=40)

    with pytest.raises(Precondition, match="below 40"):
        check_range(look_at(node), 39, None)
    check_range(look_at(node), 40, None)


def test_a_syncing_node_is_no_source() -> None:
    with pytest.raises(Precondition, match="downloading"):
        look_at(FakeChain(3, chain="main", syncing=True))
