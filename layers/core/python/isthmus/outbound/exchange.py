"""One HTTP/1.1 request and its answer on a connected socket, within a deadline and a number of bytes."""

import io
import re
import socket
from collections.abc import Callable, Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse

from isthmus.outbound.target import Target

MAX_HEADERS = 64
MAX_HEADER_BYTES = 32 * 1024
BUFFER_BYTES = 8 * 1024
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_LENGTH = re.compile(r"[0-9]{1,12}")


class TooLargeError(Exception):
    """The answer has more bytes than we read."""


def exchange(
    connection: socket.socket,
    left: Callable[[], float],
    target: Target,
    message: tuple[str, Mapping[str, str], bytes],
    max_answer_bytes: int,
) -> tuple[int, HTTPMessage, bytes]:
    """Send method, headers and body; read status, headers and body.

    Raises:
        HTTPException: the answer is not HTTP/1.1, is compressed, or leaves its length in doubt (RFC 9112 section 6.3).
        TooLargeError: head or body are over their limits.
        TimeoutError: the deadline has passed.
        EOFError: the answer is not whole.
        OSError: the connection broke.
    """
    method, headers, body = message
    http = HTTPConnection(target.host, target.port)
    timed = _Timed(connection, left, max_answer_bytes)
    http.sock = timed
    http.putrequest(method, target.path, skip_host=True, skip_accept_encoding=True)
    http.putheader("host", target.authority)
    for name, value in headers.items():
        http.putheader(name, value)
    http.endheaders(body or None)
    with closing(http.getresponse()) as response:
        _check_head(response)
        timed.reading_body = True
        return response.status, response.headers, _body(response, max_answer_bytes)


def _check_head(response: HTTPResponse) -> None:
    fields = response.headers.items()
    if len(fields) > MAX_HEADERS or sum(len(name) + len(value) + 4 for name, value in fields) > MAX_HEADER_BYTES:
        raise TooLargeError
    if response.status < 200 or response.headers.defects:
        raise HTTPException
    if not all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in fields):
        raise HTTPException
    lengths = response.headers.get_all("content-length", [])
    codings = response.headers.get_all("transfer-encoding", [])
    if len(lengths) + len(codings) > 1 or not all(_LENGTH.fullmatch(one) for one in lengths):
        raise HTTPException
    if [one.lower() for one in codings] not in ([], ["chunked"]):
        raise HTTPException
    if any(one.lower() != "identity" for one in response.headers.get_all("content-encoding", [])):
        raise HTTPException


def _body(response: HTTPResponse, limit: int) -> bytes:
    if (response.length or 0) > limit:
        raise TooLargeError
    body = response.read(limit + 1)
    if len(body) > limit:
        raise TooLargeError
    if response.length:
        raise EOFError
    return body


class _Timed:
    """A socket for http.client on which every step ends at the deadline; whoever opened the socket closes it."""

    def __init__(self, connection: socket.socket, left: Callable[[], float], max_answer_bytes: int) -> None:
        self._connection = connection
        self._left = left
        self._max_head = MAX_HEADER_BYTES + BUFFER_BYTES
        self._max_whole = self._max_head + 2 * max_answer_bytes  # the framing of chunks counts too
        self._read = 0
        self.reading_body = False

    def sendall(self, data: bytes) -> None:
        waiting = memoryview(data)
        while waiting:
            self._connection.settimeout(self._left())
            waiting = waiting[self._connection.send(waiting) :]

    def receive(self, buffer: memoryview) -> int:
        if self._read > (self._max_whole if self.reading_body else self._max_head):
            raise TooLargeError
        self._connection.settimeout(self._left())
        read = self._connection.recv_into(buffer)
        self._read += read
        return read

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self), BUFFER_BYTES)

    def close(self) -> None:
        """Do nothing: http.client closes what it takes for its own while the answer is still read."""


class _Reader(io.RawIOBase):
    def __init__(self, timed: _Timed) -> None:
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a BufferedReader passes no other
        return self._timed.receive(buffer)
