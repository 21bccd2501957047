"""What every Blobs does: one suite for the embedded adapter and the one on S3."""

import hashlib
from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest

from isthmus.failure import Conflict, Invalid
from isthmus.storage.blobs import (
    MAX_BLOB_BYTES,
    MAX_KEY_BYTES,
    MAX_KEYS,
    MAX_SEGMENT_BYTES,
    MAX_SEGMENTS,
    Blob,
    Blobs,
    IfAbsent,
    IfMatch,
)

AtOnce = Callable[[int, Callable[[int], Any]], list[Any]]

# From the first to the last in bytes; `/` comes after `-` and `.` and before the digits.
ORDERED = [
    "-",
    "A",
    "Z",
    "_",
    "a",
    "a-b",
    "a.b",
    "a/-",
    "a/b",
    "a/b-c",
    "a/b.c",
    "a/b/c",
    "a/b0",
    "a0",
    "a=b",
    "ab",
    "b",
]


def fill(blobs: Blobs, *keys: str) -> None:
    for key in keys:
        blobs.put(key, key.encode())


# Bytes


def test_what_was_put_is_got(blobs: Blobs) -> None:
    etag = blobs.put("a/b.bin", b"\x00bytes\xff")
    assert blobs.get("a/b.bin") == Blob(b"\x00bytes\xff", etag)


def test_what_was_never_put_is_none(blobs: Blobs) -> None:
    assert blobs.get("a") is None


def test_an_empty_blob_is_a_blob(blobs: Blobs) -> None:
    etag = blobs.put("a", b"")
    assert blobs.get("a") == Blob(b"", etag)


def test_a_blob_of_some_megabytes_comes_back_whole(blobs: Blobs) -> None:
    body = bytes(range(256)) * 20_000
    blobs.put("a", body)
    blob = blobs.get("a")
    assert blob is not None
    assert blob.body == body


def test_a_put_replaces_the_blob(blobs: Blobs) -> None:
    blobs.put("a", b"a long first body")
    blobs.put("a", b"short")
    blob = blobs.get("a")
    assert blob is not None
    assert blob.body == b"short"


def test_the_etag_is_the_md5_of_the_bytes_without_quotes(blobs: Blobs) -> None:
    assert blobs.put("a", b"bytes") == hashlib.md5(b"bytes").hexdigest()


def test_a_key_and_keys_below_it_are_different_blobs(blobs: Blobs) -> None:
    fill(blobs, "a", "a/b", "a/b/c")
    assert [blob.body for key in ("a", "a/b", "a/b/c") if (blob := blobs.get(key))] == [b"a", b"a/b", b"a/b/c"]


def test_a_key_above_others_is_none(blobs: Blobs) -> None:
    fill(blobs, "a/b/c")
    assert (blobs.get("a"), blobs.get("a/b"), blobs.fetch("a/b")) == (None, None, None)


# Deleting


def test_what_was_deleted_is_none(blobs: Blobs) -> None:
    fill(blobs, "a")
    blobs.delete("a")
    assert (blobs.get("a"), blobs.list("")) == (None, [])


def test_deleting_what_is_not_there_is_success(blobs: Blobs) -> None:
    blobs.delete("a/b")
    assert blobs.get("a/b") is None


def test_deleting_a_key_leaves_those_below_and_above(blobs: Blobs) -> None:
    fill(blobs, "a", "a/b", "a/b/c")
    blobs.delete("a/b")
    assert blobs.list("") == ["a", "a/b/c"]


# Conditions


def test_a_put_of_an_absent_blob_happens_if_it_is_absent(blobs: Blobs) -> None:
    etag = blobs.put("a", b"1", when=IfAbsent())
    assert blobs.get("a") == Blob(b"1", etag)


def test_a_put_of_an_absent_blob_is_refused_if_it_is_there(blobs: Blobs) -> None:
    etag = blobs.put("a", b"1")
    with pytest.raises(Conflict) as refusal:
        blobs.put("a", b"2", when=IfAbsent())
    assert (blobs.get("a"), refusal.value.code) == (Blob(b"1", etag), "storage/condition")


def test_the_same_bytes_again_are_refused_too_if_they_should_be_absent(blobs: Blobs) -> None:
    blobs.put("a", b"1")
    with pytest.raises(Conflict):
        blobs.put("a", b"1", when=IfAbsent())


def test_an_absent_blob_may_come_back_after_its_deletion(blobs: Blobs) -> None:
    fill(blobs, "a")
    blobs.delete("a")
    etag = blobs.put("a", b"2", when=IfAbsent())
    assert blobs.get("a") == Blob(b"2", etag)


def test_a_put_with_the_etag_of_the_last_put_happens(blobs: Blobs) -> None:
    first = blobs.put("a", b"1")
    second = blobs.put("a", b"2", when=IfMatch(first))
    assert blobs.get("a") == Blob(b"2", second)


def test_a_put_with_the_etag_of_the_last_get_happens(blobs: Blobs) -> None:
    blobs.put("a", b"1")
    blob = blobs.get("a")
    assert blob is not None
    blobs.put("a", b"2", when=IfMatch(blob.etag))
    with pytest.raises(Conflict):
        blobs.put("a", b"3", when=IfMatch(blob.etag))


def test_a_put_with_an_old_etag_is_refused(blobs: Blobs) -> None:
    old = blobs.put("a", b"1")
    new = blobs.put("a", b"2")
    with pytest.raises(Conflict):
        blobs.put("a", b"3", when=IfMatch(old))
    assert blobs.get("a") == Blob(b"2", new)


def test_no_etag_matches_what_is_not_there(blobs: Blobs) -> None:
    etag = blobs.put("a", b"1")
    blobs.delete("a")
    with pytest.raises(Conflict):
        blobs.put("a", b"1", when=IfMatch(etag))
    assert blobs.get("a") is None


@pytest.mark.parametrize("etag", ["", '"quoted"', "x" * 65, "a\r\nb", "*"])
def test_what_is_no_etag_is_refused(blobs: Blobs, etag: str) -> None:
    with pytest.raises(Invalid):
        blobs.put("a", b"1", when=IfMatch(etag))


# Files


def test_a_fetched_file_has_the_bytes_and_the_ending(blobs: Blobs) -> None:
    blobs.put("a/b.parquet", b"bytes")
    path = blobs.fetch("a/b.parquet")
    assert path is not None
    assert (path.read_bytes(), path.suffix) == (b"bytes", ".parquet")


def test_what_was_never_put_cannot_be_fetched(blobs: Blobs) -> None:
    assert blobs.fetch("a") is None


def test_fetching_again_gives_the_same_file(blobs: Blobs) -> None:
    blobs.put("a", b"bytes")
    assert blobs.fetch("a") == blobs.fetch("a")


def test_fetching_after_another_put_gives_the_new_bytes(blobs: Blobs) -> None:
    blobs.put("a", b"old")
    blobs.fetch("a")
    blobs.put("a", b"new")
    path = blobs.fetch("a")
    assert path is not None
    assert path.read_bytes() == b"new"


def test_files_of_different_keys_are_different(blobs: Blobs) -> None:
    blobs.put("a", b"bytes")
    blobs.put("b", b"bytes")
    assert blobs.fetch("a") != blobs.fetch("b")


# Lists


def test_a_list_of_nothing_is_empty(blobs: Blobs) -> None:
    assert blobs.list("") == []


def test_keys_are_listed_in_the_order_of_their_bytes(blobs: Blobs) -> None:
    fill(blobs, *reversed(ORDERED))
    assert blobs.list("") == ORDERED


def test_a_prefix_selects_keys_that_start_with_it(blobs: Blobs) -> None:
    fill(blobs, *ORDERED)
    for prefix in ("a", "a/", "a/b", "a/b/", "a/b/c", "a-", "b", "c", "a/b/c/d", "A", "/", "a//"):
        assert blobs.list(prefix) == [key for key in ORDERED if key.startswith(prefix)]


def test_a_list_begins_after_any_key(blobs: Blobs) -> None:
    fill(blobs, *ORDERED)
    for after in (*ORDERED, "a/", "a/a", "a/b/", "a/b/c/d", "0", "z"):
        assert blobs.list("", after=after) == [key for key in ORDERED if key > after]


def test_prefix_and_after_go_together(blobs: Blobs) -> None:
    fill(blobs, *ORDERED)
    for after in ("A", "a", "a/b", "a/b-c", "a/b0", "a0", "b"):
        assert blobs.list("a/b", after=after) == [key for key in ORDERED if key.startswith("a/b") and key > after]


def test_a_list_is_no_longer_than_asked_for(blobs: Blobs) -> None:
    fill(blobs, *ORDERED)
    for limit in range(1, len(ORDERED) + 2):
        assert blobs.list("", limit=limit) == ORDERED[:limit]


def test_lists_put_together_are_all_keys(blobs: Blobs) -> None:
    fill(blobs, *ORDERED)
    seen: list[str] = []
    while page := blobs.list("", after=seen[-1] if seen else "", limit=4):
        seen += page
    assert seen == ORDERED


# Limits


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "./a",
        "a/.",
        "../../etc/passwd",
        "a b",
        "a\n",
        "a\x00",
        "ä",
        "a\\b",
        "a:b",
        "a+b",
        "~temporary",
        "a?b",
        "a%2e",
        "x" * (MAX_SEGMENT_BYTES + 1),
        "/".join(["x" * 150] * 7),
        "/".join(["x"] * (MAX_SEGMENTS + 1)),
    ],
)
def test_what_is_no_key_is_refused_everywhere(blobs: Blobs, key: str) -> None:
    uses: list[Callable[[], Any]] = [
        lambda: blobs.put(key, b""),
        lambda: blobs.get(key),
        lambda: blobs.fetch(key),
        lambda: blobs.delete(key),
    ]
    for use in uses:
        with pytest.raises(Invalid):
            use()


@pytest.mark.parametrize(
    "key",
    [
        "...",
        ".hidden",
        "..a",
        "a..b",
        "-",
        "height=1/a_b.parquet",
        "x" * MAX_SEGMENT_BYTES,
        "/".join(["y" * MAX_SEGMENT_BYTES] * 5) + "/" + "z" * (MAX_KEY_BYTES - 5 * (MAX_SEGMENT_BYTES + 1)),
        "/".join(["x"] * MAX_SEGMENTS),
    ],
)
def test_unusual_keys_are_keys(blobs: Blobs, key: str) -> None:
    etag = blobs.put(key, b"bytes")
    assert (blobs.get(key), blobs.list(key[:3])) == (Blob(b"bytes", etag), [key])


def test_a_blob_beyond_the_largest_is_refused(blobs: Blobs) -> None:
    with pytest.raises(Invalid):
        blobs.put("a", bytes(MAX_BLOB_BYTES + 1))
    assert blobs.get("a") is None


@pytest.mark.parametrize("part", ["ä", "a\n", "a*", "a" * (MAX_KEY_BYTES + 1)])
def test_a_prefix_or_start_that_no_key_can_have_is_refused(blobs: Blobs, part: str) -> None:
    with pytest.raises(Invalid):
        blobs.list(part)
    with pytest.raises(Invalid):
        blobs.list("", after=part)


def test_a_prefix_cannot_leave_the_store(blobs: Blobs) -> None:
    fill(blobs, "a")
    assert (blobs.list("../"), blobs.list("a/../")) == ([], [])


@pytest.mark.parametrize("limit", [0, -1, MAX_KEYS + 1])
def test_a_list_beyond_the_limit_is_refused(blobs: Blobs, limit: int) -> None:
    with pytest.raises(Invalid):
        blobs.list("", limit=limit)


# Races


def test_one_of_many_concurrent_claims_wins(blobs: Blobs, at_once: AtOnce, rounds: int) -> None:
    def claim(thread: int) -> list[str]:
        won = []
        for number in range(rounds):
            try:
                blobs.put(f"claim/{number}", bytes([thread]) * 1000, when=IfAbsent())
            except Conflict:
                continue
            won.append(f"claim/{number}")
        return won

    won = list(chain(*at_once(8, claim)))
    assert sorted(won) == sorted(f"claim/{number}" for number in range(rounds))


def test_concurrent_increments_are_all_counted(blobs: Blobs, at_once: AtOnce, rounds: int) -> None:
    blobs.put("counter", b"0")

    def increment_often(_: int) -> None:
        done = 0
        while done < rounds // 5:
            blob = blobs.get("counter")
            assert blob is not None
            try:
                blobs.put("counter", b"%d" % (int(blob.body) + 1), when=IfMatch(blob.etag))
            except Conflict:
                continue
            done += 1

    at_once(8, increment_often)
    blob = blobs.get("counter")
    assert blob is not None
    assert int(blob.body) == 8 * (rounds // 5)


def test_readers_see_whole_blobs_while_writers_replace_them(blobs: Blobs, at_once: AtOnce, rounds: int) -> None:
    blobs.put("a", b"0" * 100_000)

    def use(thread: int) -> None:
        for number in range(rounds):
            if thread % 2:
                blobs.put("a", b"%d" % (number % 10) * 100_000)
            blob = blobs.get("a")
            assert blob is not None
            assert (len(blob.body), len(set(blob.body))) == (100_000, 1)

    at_once(4, use)
