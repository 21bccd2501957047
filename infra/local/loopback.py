"""What every server of this runtime asks of a request: that it comes from a program on this machine.

A web page can make a browser send requests to loopback addresses, directly or through a name that its owner points at
127.0.0.1 (DNS rebinding). Such requests carry a foreign Host, Origin or Sec-Fetch-Site and are refused. So is a
Host with another port: what a caller proves to another program on this machine is made for that port, and worth
nothing here.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from infra.local.events import HttpResponse
from isthmus.failure import Failure, Forbidden, Malformed, TooLarge
from isthmus.headers import HEADERS

MAX_HEADER_BYTES = 10_240  # as API Gateway's quota for HTTP APIs
_HOST = re.compile(rb"(?:127\.0\.0\.1|localhost|\[::1\])(?::(\d{1,5}))?")
_OWN_SITE = (b"same-origin", b"none")
_LONGEST_LENGTH = 12
_SECURITY = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


def refusal(headers: Iterable[tuple[bytes, bytes]], port: int) -> Failure | None:
    """Why a request with these headers to this port is refused, or None when it may pass."""
    pairs = list(headers)
    if sum(len(name) + len(value) for name, value in pairs) > MAX_HEADER_BYTES:
        return TooLarge(f"The headers have more than {MAX_HEADER_BYTES} bytes.", next_step="Send fewer headers.")
    given = dict(pairs)
    host = given.get(b"host", b"")
    named = _HOST.fullmatch(host)
    if named is None or int(named[1] or port) != port or sum(name == b"host" for name, _ in pairs) > 1:
        return _foreign("The Host header does not name this machine and port.")
    if given.get(b"origin", b"http://" + host) != b"http://" + host:
        return _foreign("The request comes from a web page of another origin.")
    if given.get(b"sec-fetch-site", b"none") not in _OWN_SITE:
        return _foreign("The request comes from a web page of another site.")
    if b"content-length" in given and b"transfer-encoding" in given:
        return Malformed(
            "The request has both Content-Length and Transfer-Encoding.", next_step="Send one of the two (RFC 9112)."
        )
    return None


def _foreign(detail: str) -> Forbidden:
    return Forbidden(detail, next_step="Call http://127.0.0.1 or http://localhost from a program on this machine.")


async def read_body(
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]], headers: Iterable[tuple[bytes, bytes]], limit: int
) -> bytes:
    """The request's whole body.

    Raises:
        TooLarge: it is longer than `limit` bytes; a declared length is enough to refuse it.
        Malformed: the caller hung up before it was whole.
    """
    declared = next((value for name, value in headers if name == b"content-length"), b"0")
    if not declared.isdigit() or len(declared) > _LONGEST_LENGTH or int(declared) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Malformed("The request ended before its body was whole.", next_step="Send it again.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size > limit:
            raise _too_large(limit)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes.", next_step="Split the request or send less at once.")


async def send_response(send: Callable[[MutableMapping[str, Any]], Awaitable[None]], answer: HttpResponse) -> None:
    """Send a whole response at once, with the headers that every answer has."""
    given = {name for name, _ in answer.headers}
    headers = [*answer.headers, *(pair for pair in _SECURITY if pair[0] not in given)]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
