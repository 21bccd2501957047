"""The Runtime API's connection with a worker, without a network."""

import asyncio
from typing import Any

from infra.local.runtime_api import Connection

NEXT = b"GET /secret/2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\nContent-Length: 0\r\n\r\n"


class Wire(asyncio.Transport):
    """What the connection sends, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.closed = True


class Worker:
    """Takes note of what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def connected(self, _: Connection) -> None:
        self.told.append("connected")

    def disconnected(self, _: Connection) -> None:
        self.told.append("disconnected")

    def asks(self, _: Connection) -> None:
        self.told.append("asks")

    def answers(self, request_id: str, payload: bytes, *, failed: bool, too_large: bool) -> None:
        self.told.append((request_id, payload, failed, too_large))

    def fails_to_start(self, payload: bytes) -> None:
        self.told.append(payload)


def opened() -> tuple[Connection, Wire, Worker]:
    wire, worker = Wire(), Worker()
    connection = Connection({"secret": worker})
    connection.connection_made(wire)
    return connection, wire, worker


def answer(request_id: bytes) -> bytes:
    return (
        b"POST /secret/2018-06-01/runtime/invocation/"
        + request_id
        + b"/response HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    )


def test_a_worker_that_answers_is_told_at_once_that_it_was_heard() -> None:
    connection, wire, worker = opened()
    connection.data_received(answer(b"1"))
    assert worker.told == ["connected", ("1", b"{}", False, False)]
    assert [data.split(b"\r\n")[0] for data in wire.sent] == [b"HTTP/1.1 202 Accepted"]


def test_a_worker_that_answers_and_asks_is_woken_up_once_for_both() -> None:
    connection, wire, worker = opened()
    connection.data_received(answer(b"1") + NEXT)
    assert worker.told == ["connected", ("1", b"{}", False, False), "asks"]
    assert wire.sent == []
    connection.deliver("2", b'{"a": 1}', "arn", 3.0)
    (sent,) = wire.sent
    accepted, _, rest = sent.partition(b"\r\n\r\n")
    assert accepted.startswith(b"HTTP/1.1 202 ")
    assert rest.startswith(b"HTTP/1.1 200 ")
    assert rest.endswith(b'\r\n\r\n{"a": 1}')


def test_a_request_is_read_whatever_pieces_it_comes_in() -> None:
    connection, wire, worker = opened()
    for byte in answer(b"1") + NEXT:
        connection.data_received(bytes([byte]))
    assert worker.told == ["connected", ("1", b"{}", False, False), "asks"]
    assert len(wire.sent) == 1


def test_nobody_without_a_worker_s_secret_gets_an_invocation() -> None:
    connection, wire, worker = opened()
    connection.data_received(NEXT.replace(b"secret", b"guess"))
    assert worker.told == []
    assert wire.sent[0].startswith(b"HTTP/1.1 403 ")
    assert wire.closed
