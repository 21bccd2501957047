"""Local copies of blobs that live elsewhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.failure import Limited
from isthmus.storage.adapters.copies import Copies


class Seconds:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def copies(seconds: Seconds) -> Copies:
    return Copies(100, clock=seconds)


def keep(copies: Copies, key: str, size: int) -> Path:
    return copies.keep(key, "etag", size, [b"x" * size])


def test_a_copy_is_found_by_key_and_etag(copies: Copies) -> None:
    path = copies.keep("a/b.parquet", "etag", 5, [b"by", b"tes"])
    assert (copies.find("a/b.parquet", "etag"), path.read_bytes(), path.suffix) == (path, b"bytes", ".parquet")
    assert (copies.find("a/b.parquet", "other"), copies.find("b.parquet", "etag")) == (None, None)


def test_copies_not_used_for_longest_make_room(copies: Copies, seconds: Seconds) -> None:
    first, second = keep(copies, "first", 40), keep(copies, "second", 40)
    seconds.now_s = 60
    copies.find("first", "etag")
    seconds.now_s = 120
    third = keep(copies, "third", 40)
    assert [path.exists() for path in (first, second, third)] == [True, False, True]
    assert (copies.find("second", "etag"), copies.find("first", "etag")) == (None, first)


def test_exactly_as_much_as_there_is_room_for_is_kept(copies: Copies) -> None:
    paths = [keep(copies, "first", 60), keep(copies, "second", 40)]
    assert all(path.exists() for path in paths)


def test_copies_in_use_are_not_removed_for_others(copies: Copies, seconds: Seconds) -> None:
    first = keep(copies, "first", 60)
    seconds.now_s = 29
    with pytest.raises(Limited):
        keep(copies, "second", 41)
    assert first.exists()
    seconds.now_s = 30
    keep(copies, "second", 41)
    assert not first.exists()


def test_a_copy_larger_than_the_room_is_refused(copies: Copies) -> None:
    with pytest.raises(Limited):
        keep(copies, "first", 101)


def test_a_copy_that_breaks_off_is_not_kept_and_takes_no_room(copies: Copies) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise OSError(5, "the line is cut")

    with pytest.raises(OSError, match="cut"):
        copies.keep("first", "etag", 100, chunks())
    assert (copies.find("first", "etag"), list(copies._folder.iterdir())) == (None, [])
    keep(copies, "second", 100)


def test_keeping_a_copy_again_replaces_it_and_counts_it_once(copies: Copies, seconds: Seconds) -> None:
    keep(copies, "first", 60)
    seconds.now_s = 60
    assert keep(copies, "first", 60).exists()
    assert keep(copies, "second", 40).exists()


def test_the_folder_goes_with_its_owner() -> None:
    copies = Copies(100)
    path = keep(copies, "first", 1)
    assert path.exists()
    del copies
    assert not path.parent.exists()
