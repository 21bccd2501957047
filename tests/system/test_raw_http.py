"""Bytes that are no proper HTTP, sent to the running system: it refuses or hangs up, and neither fails nor waits."""

import re
import socket
from contextlib import suppress
from random import Random
from typing import Any

import pytest

pytestmark = pytest.mark.system

PATIENCE_S = 2
TIMEOUT_S = 20
ROUTE = "/v1/openapi.json"
SMUGGLED = b"GET /v1/auth/jwks HTTP/1.1\r\nHost: localhost\r\n\r\n"


def answers(system: Any, data: bytes, patience_s: float = PATIENCE_S) -> list[int]:
    """The statuses of all answers to these bytes.

    A server that waits for the rest of a request is told after a while that there is none; if it then still does not
    hang up, that is an error.
    """
    with socket.create_connection(("127.0.0.1", system.port), timeout=patience_s) as connection:
        received = b""
        with suppress(ConnectionError):  # it hung up on us, which is an answer too
            connection.sendall(data)
            try:
                received = read_on(connection)
            except TimeoutError:
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(TIMEOUT_S)
                received = read_on(connection)
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


def read_on(connection: socket.socket) -> bytes:
    received = b""
    while part := connection.recv(65536):
        received += part
    return received


def asked(target: str = ROUTE, method: str = "GET", *headers: str, host: str = "Host: localhost") -> bytes:
    return "\r\n".join(
        [f"{method} {target} HTTP/1.1", *filter(None, [host, "Connection: close", *headers]), "", ""]
    ).encode("latin-1")


@pytest.mark.parametrize(
    "target",
    [
        "http://localhost/v1/openapi.json",
        "http://evil.example/v1/openapi.json",
        "localhost:80",
        "*",
        "/v1/%2e%2e/v1/openapi.json",
        "/v1/../v1/openapi.json",
        "/v1/openapi.json/..",
        "//v1/openapi.json",
        "/v1/openapi.json%00",
        "/v1/openapi.json%",
        "/v1/openapi.json%zz",
        "/v1/openapi.json;x=1",
        "/v1/openapi.json#fragment",
        "/v1/pipeline/runs/%2f%2f",
        "/v1/pipeline/runs/%ff%c0%af",
        "/v1/pipeline/runs/\xff",
        f"/v1/pipeline/runs/{'a' * 5_000}",
        f"/{'a/' * 20_000}",
        f"{ROUTE}?{'a=1&' * 20_000}",
        f"{ROUTE}?{'%' * 3_000}",
        f"{ROUTE}?=&&==&%00=%00",
        f"{ROUTE}?\xff=\xfe",
        "",
        "x",
    ],
)
def test_an_odd_target_is_answered_once_and_not_with_a_server_error(system: Any, target: str) -> None:
    statuses = answers(system, asked(target))

    assert len(statuses) <= 1
    assert all(status < 500 for status in statuses)


@pytest.mark.parametrize(
    "method", ["HEAD", "OPTIONS", "TRACE", "CONNECT", "PATCH", "PUT", "QUERY", "get", "G E T", "\xff"]
)
def test_an_odd_method_is_answered_once_and_not_with_a_server_error(system: Any, method: str) -> None:
    statuses = answers(system, asked(ROUTE, method))

    assert len(statuses) <= 1
    assert all(400 <= status < 500 for status in statuses)


@pytest.mark.parametrize(
    "headers",
    [
        ("Host: evil.example",),
        ("Host: localhost",),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5, 6",),
        ("Content-Length: -1",),
        ("Content-Length: +5",),
        ("Content-Length: 99999999999999999999",),
        ("Content-Length: 0x5",),
        ("Transfer-Encoding: chunked, chunked",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding : chunked",),
        ("Transfer-Encoding:\tchunked", "Transfer-Encoding: identity"),
        ("Authorization: DPoP a", "Authorization: Bearer b"),
        ("DPoP: a", "DPoP: b"),
        ("Authorization: \x01\x7f",),
        ("Authorization: \xff\xfe",),
        ("X: a\r\n folded",),
        ("no colon",),
        (": no name",),
        ("Name\x00: x",),
        ("Na me: x",),
        ("X: \x00",),
        ("Origin: null",),
        ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13"),
        ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: x"),
        ("Expect: 100-continue",),
        ("Expect: the worst",),
        ("X: " + "y" * 100_000,),
        tuple(f"X-{number}: y" for number in range(2_000)),
        ("Cookie: " + "a=b; " * 1_000,),
        ("X-Forwarded-Proto: file", "X-Forwarded-For: evil"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_odd_headers_are_answered_once_and_nothing_is_smuggled(
    system: Any, method: str, headers: tuple[str, ...]
) -> None:
    route = ROUTE if method == "GET" else "/v1/auth/token"

    statuses = answers(system, asked(route, method, *headers))

    assert all(status < 500 for status in statuses)
    assert len([status for status in statuses if status != 100]) <= 1


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 0", "Transfer-Encoding: chunked"),
        ("Content-Length: 5", "Content-Length: 0"),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding : chunked",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
    ],
)
def test_what_a_body_hides_is_no_request(system: Any, headers: tuple[str, ...]) -> None:
    hidden = b"0\r\n\r\n" + SMUGGLED

    statuses = answers(system, asked("/v1/auth/token", "POST", *headers) + hidden)

    assert len(statuses) <= 1
    assert all(400 <= status < 500 for status in statuses)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /v1/openapi.json\r\n",
        b"GET /v1/openapi.json HTTP/0.9\r\n\r\n",
        b"GET /v1/openapi.json HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /v1/openapi.json HTTP/1.0\r\n\r\n",
        b"GET  /v1/openapi.json  HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/openapi.json HTTP/1.1\nHost: localhost\n\n",
        b"POST /v1/auth/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{",
        b"POST /v1/auth/token HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{",
        b"POST /v1/auth/token HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 100_000,
        b"POST /v1/auth/token HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{",
    ],
)
def test_what_is_no_http_is_refused_or_hung_up_on(system: Any, data: bytes) -> None:
    assert all(status < 500 for status in answers(system, data))


def test_random_changes_of_a_request_never_make_the_system_fail(system: Any) -> None:
    random = Random(1)
    whole = (
        asked("/v1/auth/token?a=%20b", "POST", "Content-Type: application/json", "Content-Length: 2", "DPoP: x") + b"{}"
    )
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(random.randrange(1, 6)):
            where = random.randrange(len(data))
            data[where : where + random.randrange(3)] = random.randbytes(random.randrange(3))
        assert all(status < 500 for status in answers(system, bytes(data), patience_s=0.3)), bytes(data)


def test_after_all_this_it_still_answers(system: Any) -> None:
    assert answers(system, asked(ROUTE), TIMEOUT_S) == [200]
