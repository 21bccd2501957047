"""How heights are cut into segments."""

from hypothesis import given
from hypothesis import strategies as st

from isthmus.pipeline.segments import SETTLED_CONFIRMATIONS, Segment, Window, windows

HEIGHTS = st.integers(0, 3_000)


@given(HEIGHTS, HEIGHTS, HEIGHTS)
def test_windows_cover_every_height_once_and_in_order(first: int, more: int, above: int) -> None:
    last = first + more

    cut = list(windows(first, last, last + above))

    assert [height for window in cut for height in range(window.first, window.last + 1)] == list(range(first, last + 1))


@given(HEIGHTS, HEIGHTS, HEIGHTS)
def test_only_settled_blocks_share_a_segment(first: int, more: int, above: int) -> None:
    tip = first + more + above

    for window in windows(first, first + more, tip):
        assert window.first == window.last or window.last <= tip - SETTLED_CONFIRMATIONS


@given(st.integers(0, 100_000))
def test_few_segments_stay_small_however_long_the_chain(tip: int) -> None:
    small = [window for window in windows(0, tip, tip) if window.last - window.first < 143]

    assert len(small) <= 12 + 11 + SETTLED_CONFIRMATIONS


@given(HEIGHTS, HEIGHTS)
def test_a_window_once_cut_large_stays_when_the_tip_moves_on(tip: int, more: int) -> None:
    now, later = set(windows(0, tip, tip)), set(windows(0, tip + more, tip + more))

    assert {w for w in now if w.last - w.first == 143} <= later


def test_a_segment_is_named_by_its_heights_and_its_last_block() -> None:
    segment = Segment(144, 287, "ab" * 32, "cd" * 32, 9, 99)

    assert segment.key("flows") == f"segments/00000144-00000287-{'ab' * 32}/flows.parquet"
    assert segment.window == Window(144, 287)
