"""One HTTP/1.1 answer of a node, read whole and within limits from a connection (RFC 9112)."""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

MAX_HEADERS = 100
MAX_LINE_BYTES = 16 * 1024

Reason = Literal["refused", "tls", "timeout", "cut", "nonsense", "oversize"]

_STATUS = re.compile(rb"HTTP/1\.([01]) ([2-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*?)[ \t]*\r?\n")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n]*)?\r?\n")
_END = (b"\r\n", b"\n")
_WITHOUT_BODY = (204, 304)


class Lost(Exception):  # noqa: N818 - it never leaves the adapter; there it becomes a failure
    """No answer, and why; `sent` when the node may have read the request, `kept` when the connection was an old one."""

    def __init__(self, reason: Reason, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.kept = False


@dataclass(frozen=True)
class Reply:
    """One answer; `keeps` when another may follow on the same connection."""

    status: int
    media_type: str
    body: bytes
    keeps: bool


def read_answer(stream: io.BufferedReader, max_body_bytes: int) -> Reply:
    """Read the whole answer.

    Raises:
        Lost: it is not whole, not HTTP, or has more bytes than the limit.
        OSError: the connection broke; TimeoutError: its time is over.
    """
    started, headers = _match(_STATUS, stream), _headers(stream)
    status, length = int(started[2]), headers.get(b"content-length")
    keeps = started[1] == b"1" and b"close" not in headers.get(b"connection", b"").lower()
    if status in _WITHOUT_BODY:
        body = b""
    elif b"transfer-encoding" in headers:
        body = _chunks(stream, headers, max_body_bytes)
    elif length is not None:
        body = _exactly(stream, int(length), max_body_bytes)
    else:
        body, keeps = stream.read(max_body_bytes + 1), False
        _check(len(body), max_body_bytes)
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return Reply(status, media_type.decode("latin-1"), body, keeps)


def _headers(stream: io.BufferedReader) -> dict[bytes, bytes]:
    """The headers, their names in lower case; of those that stand twice the last."""
    headers: dict[bytes, bytes] = {}
    for _ in range(MAX_HEADERS):
        line = _line(stream)
        if line in _END:
            return headers
        found = _HEADER.fullmatch(line)
        if found is None:
            break
        name, value = found[1].lower(), found[2]
        if name == b"content-length" and (name in headers or not _LENGTH.fullmatch(value)):
            break
        headers[name] = value
    raise Lost("nonsense", sent=True)


def _chunks(stream: io.BufferedReader, headers: Mapping[bytes, bytes], limit: int) -> bytes:
    """The body of a chunked answer (section 7.1)."""
    if headers[b"transfer-encoding"].lower() != b"chunked" or b"content-length" in headers:
        raise Lost("nonsense", sent=True)
    body = bytearray()
    while length := int(_match(_CHUNK, stream)[1], 16):
        body += _exactly(stream, length, limit - len(body))
        if _line(stream) not in _END:
            raise Lost("nonsense", sent=True)
    _headers(stream)  # trailers
    return bytes(body)


def _exactly(stream: io.BufferedReader, length: int, limit: int) -> bytes:
    _check(length, limit)
    body = stream.read(length)
    if len(body) < length:
        raise Lost("cut", sent=True)
    return body


def _check(length: int, limit: int) -> None:
    if length > limit:
        raise Lost("oversize", sent=True)


def _match(expression: re.Pattern[bytes], stream: io.BufferedReader) -> re.Match[bytes]:
    found = expression.fullmatch(_line(stream))
    if found is None:
        raise Lost("nonsense", sent=True)
    return found


def _line(stream: io.BufferedReader) -> bytes:
    line = stream.readline(MAX_LINE_BYTES)
    if not line:
        raise Lost("cut", sent=True)
    return line
