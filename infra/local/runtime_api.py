"""The Lambda Runtime API on loopback: how a worker asks for an invocation and hands back what came of it.

Reference: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes" (version 2018-06-01). One
server serves all workers; the first part of the path is a worker's secret, so no other program takes an invocation.
"""

import asyncio
import time
from typing import Protocol

import httptools

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
_ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
_REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_NEXT = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: application/json\r\n"
    b"Lambda-Runtime-Aws-Request-Id: %s\r\n"
    b"Lambda-Runtime-Deadline-Ms: %d\r\n"
    b"Lambda-Runtime-Invoked-Function-Arn: %s\r\n"
    b"Content-Length: %d\r\n\r\n"
)


class Runtime(Protocol):
    """The host's side of one worker."""

    def connected(self, connection: "Connection") -> None:
        """The worker opened a connection."""

    def disconnected(self, connection: "Connection") -> None:
        """The worker closed a connection, or died."""

    def asks(self, connection: "Connection") -> None:
        """The worker waits for its next invocation on this connection."""

    def answers(self, request_id: str, payload: bytes, *, failed: bool, too_large: bool) -> None:
        """The worker's answer to an invocation."""

    def fails_to_start(self, payload: bytes) -> None:
        """The handler could not be loaded."""


class Connection(asyncio.Protocol):
    """One connection of one worker."""

    def __init__(self, workers: dict[str, Runtime]) -> None:
        self._workers = workers
        self._worker: Runtime | None = None
        self._transport: asyncio.Transport | None = None
        self._replies = b""
        self._waits = False
        self._parser = httptools.HttpRequestParser(self)
        self._begin()

    def _begin(self) -> None:
        self._path = b""
        self._body = bytearray()
        self._too_large = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio's protocol."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server makes no other
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio's protocol."""
        del exc
        if self._worker is not None:
            self._worker.disconnected(self)

    def data_received(self, data: bytes) -> None:
        """Part of asyncio's protocol."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
            return
        if not self._waits:
            self._reply(b"")

    def on_message_begin(self) -> None:
        """Part of httptools' protocol."""
        self._begin()

    def on_url(self, url: bytes) -> None:
        """Part of httptools' protocol."""
        self._path += url

    def on_body(self, data: bytes) -> None:
        """Part of httptools' protocol."""
        if len(self._body) + len(data) > MAX_PAYLOAD_BYTES:
            self._too_large = True
        else:
            self._body += data

    def on_message_complete(self) -> None:
        """Part of httptools' protocol."""
        parts = self._path.decode("ascii", "replace").split("/")
        worker = self._workers.get(parts[1]) if len(parts) > 1 else None
        if worker is None or self._transport is None:
            self._refuse()
            return
        if self._worker is None:
            self._worker = worker
            worker.connected(self)
        match parts[2:]:
            case ["2018-06-01", "runtime", "invocation", "next"]:
                self._waits = True
                worker.asks(self)
            case ["2018-06-01", "runtime", "invocation", request_id, ("response" | "error") as kind]:
                self._replies += _ACCEPTED
                worker.answers(request_id, bytes(self._body), failed=kind == "error", too_large=self._too_large)
            case ["2018-06-01", "runtime", "init", "error"]:
                self._replies += _ACCEPTED
                worker.fails_to_start(bytes(self._body))
            case _:
                self._refuse()

    def _refuse(self) -> None:
        self._reply(_REFUSED)
        self.close()

    def _reply(self, last: bytes) -> None:
        """Send this reply and those before it; a worker that waits for an invocation gets them together with it."""
        replies, self._replies, self._waits = self._replies + last, b"", False
        if replies and self._transport is not None:
            self._transport.write(replies)

    def deliver(self, request_id: str, payload: bytes, arn: str, timeout_s: float) -> None:
        """Hand an invocation to the worker that waits on this connection."""
        deadline_ms = int((time.time() + timeout_s) * 1000)
        self._reply(_NEXT % (request_id.encode(), deadline_ms, arn.encode(), len(payload)) + payload)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()
