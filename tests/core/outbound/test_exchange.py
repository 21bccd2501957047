"""How much is sent and read, and how long each step may take; the socket is a fake that counts."""

import itertools
import socket
from collections.abc import Iterable
from typing import cast

import pytest

from isthmus.outbound import Policy
from isthmus.outbound.exchange import BUFFER_BYTES, MAX_HEADER_BYTES, TooLargeError, exchange
from isthmus.outbound.target import target_of

TARGET = target_of("https://good.com/", Policy())
MAX_HEAD = MAX_HEADER_BYTES + BUFFER_BYTES
LIMIT = 100_000
GET: tuple[str, dict[str, str], bytes] = ("GET", {}, b"")


class Wire:
    """A connected socket: it takes a few bytes at a time, gives what the test says, and notes the time it was given."""

    def __init__(self, answer: Iterable[bytes]) -> None:
        self.answer, self.waiting = iter(answer), b""
        self.sent, self.read = b"", 0
        self.timeouts: list[float] = []
        self.steps = 0

    def settimeout(self, seconds: float) -> None:
        self.timeouts.append(seconds)

    def send(self, data: memoryview) -> int:
        self.steps += 1
        self.sent += bytes(data[:10])
        return min(len(data), 10)

    def recv_into(self, buffer: memoryview) -> int:
        self.steps += 1
        self.waiting = self.waiting or next(self.answer, b"")
        piece, self.waiting = self.waiting[: len(buffer)], self.waiting[len(buffer) :]
        buffer[: len(piece)] = piece
        self.read += len(piece)
        return len(piece)


def asked(wire: Wire, message: tuple[str, dict[str, str], bytes] = GET) -> bytes:
    times = itertools.count(1000, -1)
    return exchange(cast(socket.socket, wire), lambda: next(times), TARGET, message, LIMIT)[2]


def head(*fields: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *fields, "", ""]).encode()


def test_every_step_may_take_the_time_that_is_left() -> None:
    wire = Wire([head("content-length: 5"), b"he", b"llo"])

    assert asked(wire, ("POST", {"content-length": "26"}, b"abcdefghijklmnopqrstuvwxyz")) == b"hello"
    assert wire.sent.endswith(b"\r\n\r\nabcdefghijklmnopqrstuvwxyz")
    assert wire.timeouts == [1000 - step for step in range(wire.steps)]
    assert wire.steps > 10


def test_a_head_is_not_read_beyond_its_limit() -> None:
    wire = Wire(itertools.chain([b"HTTP/1.1 200 OK\r\na: "], itertools.repeat(b"b" * 1000)))

    with pytest.raises(TooLargeError):
        asked(wire)

    assert MAX_HEAD < wire.read <= MAX_HEAD + 1000


def test_a_body_is_not_read_beyond_its_limit() -> None:
    wire = Wire(itertools.chain([head("connection: close")], itertools.repeat(b"x" * 1000)))

    with pytest.raises(TooLargeError):
        asked(wire)

    assert LIMIT < wire.read <= LIMIT + BUFFER_BYTES + 1000


def test_a_body_that_is_too_large_by_its_own_word_is_not_read() -> None:
    wire = Wire(itertools.chain([head(f"content-length: {LIMIT + 1}")], itertools.repeat(b"x" * 1000)))

    with pytest.raises(TooLargeError):
        asked(wire)

    assert wire.read < 1000


def test_the_framing_of_chunks_may_be_as_long_as_the_largest_body_and_no_longer() -> None:
    wire = Wire(itertools.chain([head("transfer-encoding: chunked")], itertools.repeat(b"1\r\nx\r\n" * 100)))

    with pytest.raises(TooLargeError):
        asked(wire)

    assert MAX_HEAD + 2 * LIMIT < wire.read <= MAX_HEAD + 2 * LIMIT + 600
