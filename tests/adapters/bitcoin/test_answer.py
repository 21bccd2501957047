"""How a node's HTTP answer is read: framing, limits, and what is no answer."""

import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.bitcoin.adapters.answer import MAX_HEADERS, MAX_LINE_BYTES, Lost, Reply, read_answer

LIMIT = 1000
OK = b"HTTP/1.1 200 OK\r\n"


class Pieces(io.RawIOBase):
    """Bytes that come in pieces of one size."""

    def __init__(self, content: bytes, size: int) -> None:
        self._content, self._size = io.BytesIO(content), size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a BufferedReader passes no other
        data = self._content.read(min(self._size, len(buffer)))
        buffer[: len(data)] = data
        return len(data)


def answer(content: bytes, size: int = 7) -> Reply:
    return read_answer(io.BufferedReader(Pieces(content, size)), LIMIT)


@pytest.mark.parametrize("size", [1, 3, 10_000])
@pytest.mark.parametrize(
    ("content", "read"),
    [
        (
            OK + b"Content-Type: application/json; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}",
            Reply(200, "application/json", b"{}", keeps=True),
        ),
        (OK + b"content-length:0\r\n\r\n", Reply(200, "", b"", keeps=True)),
        (b"HTTP/1.1 500\r\ncontent-length: 1\r\n\r\nx", Reply(500, "", b"x", keeps=True)),
        (OK + b"content-length: 1\r\nConnection: Close\r\n\r\nx", Reply(200, "", b"x", keeps=False)),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx", Reply(200, "", b"x", keeps=False)),
        (OK + b"\r\nuntil the end", Reply(200, "", b"until the end", keeps=False)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Reply(204, "", b"", keeps=True)),
        (
            OK + b"Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\nA ;x=y\r\n0123456789\r\n0\r\nDate: today\r\n\r\n",
            Reply(200, "", b"abc0123456789", keeps=True),
        ),
        (b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx", Reply(200, "", b"x", keeps=True)),
    ],
)
def test_an_answer_is_read_whatever_pieces_it_comes_in(content: bytes, read: Reply, size: int) -> None:
    assert answer(content, size) == read


def test_what_follows_an_answer_is_left_for_the_next() -> None:
    stream = io.BufferedReader(Pieces((OK + b"content-length: 1\r\n\r\n%d") % 1 + (OK + b"\r\n2"), 1000))
    assert (read_answer(stream, LIMIT).body, read_answer(stream, LIMIT).body) == (b"1", b"2")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cut"),
        (OK, "cut"),
        (OK + b"content-length: 5\r\n\r\n1234", "cut"),
        (OK + b"transfer-encoding: chunked\r\n\r\n5\r\n12", "cut"),
        (OK + b"transfer-encoding: chunked\r\n\r\n0\r\n", "cut"),
        (b"SSH-2.0-OpenSSH\r\n", "nonsense"),
        (b"HTTP/2 200\r\n\r\n", "nonsense"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "nonsense"),
        (OK + b"no header\r\n\r\n", "nonsense"),
        (OK + b"a: b\r\n folded\r\n\r\n", "nonsense"),
        (OK + b"a: b\r\n" * (MAX_HEADERS + 1) + b"\r\n", "nonsense"),
        (OK + b"a: " + b"b" * MAX_LINE_BYTES + b"\r\n\r\n", "nonsense"),
        (OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\n12", "nonsense"),
        (OK + b"content-length: +1\r\n\r\n1", "nonsense"),
        (OK + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "nonsense"),
        (OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "nonsense"),
        (OK + b"transfer-encoding: chunked\r\n\r\n-1\r\n\r\n", "nonsense"),
        (OK + b"transfer-encoding: chunked\r\n\r\n2\r\n1234\r\n", "nonsense"),
        (OK + b"content-length: %d\r\n\r\n" % (LIMIT + 1), "oversize"),
        (OK + b"\r\n" + b"x" * (LIMIT + 1), "oversize"),
        (OK + b"transfer-encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * (LIMIT + 1), "oversize"),
    ],
)
def test_what_is_not_a_whole_answer_within_the_limits_is_lost(content: bytes, reason: str) -> None:
    with pytest.raises(Lost) as lost:
        answer(content)
    assert (lost.value.reason, lost.value.sent) == (reason, True)


@given(head=st.sampled_from([b"", OK, OK + b"transfer-encoding: chunked\r\n\r\n"]), rest=st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_lost(head: bytes, rest: bytes) -> None:
    with suppress(Lost):
        assert len(answer(head + rest).body) <= LIMIT
