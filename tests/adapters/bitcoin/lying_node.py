"""A node that lies: a small HTTP server on loopback that answers each request as the test says, and what it may say."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GENESIS = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
FOREIGN = "hunter2-from-the-node"


class Handler(BaseHTTPRequestHandler):
    """Read one request whole, then do what the server's next act says."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "LyingNode"
    asked: Any = None

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""

    def do_GET(self) -> None:
        self.server.asked.append(("GET", self.path, dict(self.headers), None))
        self.server.rest(self)

    def do_POST(self) -> None:
        self.asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(("POST", self.path, dict(self.headers), self.asked))
        acts = self.server.acts
        (acts.pop(0) if len(acts) > 1 else acts[0])(self)

    def answer(self, status: int, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def json(self, document: Any, status: int = 200) -> None:
        self.answer(status, "application/json", json.dumps(document).encode())


Act = Callable[[Handler], None]


class LyingNode(ThreadingHTTPServer):
    """The acts are done one per POST, the last one again and again; every GET gets `rest`."""

    daemon_threads = True

    def __init__(self, *acts: Act) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.acts = list(acts) or [result(1)]
        self.rest: Act = status(404)
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.connections = 0
        self.released = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, credentials: str = "user:pass") -> str:
        return f"http://{credentials}@127.0.0.1:{self.port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the play."""


Serve = Callable[..., LyingNode]


def result(value: Any) -> Act:
    """The right answer with this result."""
    return lambda handler: handler.json({"result": value, "error": None, "id": handler.asked["id"]})


def envelope(**fields: Any) -> Act:
    """The right answer, but for these fields."""
    return lambda handler: handler.json({"result": 1, "error": None, "id": handler.asked["id"]} | fields)


def written(result_text: str) -> Act:
    """The right answer with a result in these very characters."""

    def act(handler: Handler) -> None:
        text = f'{{"error": null, "id": {handler.asked["id"]}, "result": {result_text}}}'
        handler.answer(200, "application/json; charset=utf-8", text.encode())

    return act


def error(code: Any, status: int = 500) -> Act:
    """A refusal with this code and a text that must never get out."""
    refusal = {"code": code, "message": FOREIGN}
    return lambda handler: handler.json({"result": None, "error": refusal, "id": handler.asked["id"]}, status)


def status(number: int) -> Act:
    """An HTTP status with a page."""
    return lambda handler: handler.answer(number, "text/html", f"<html>{FOREIGN}</html>".encode())


def body(content: bytes, media_type: str = "application/json") -> Act:
    """These bytes, declared as JSON."""
    return lambda handler: handler.answer(200, media_type, content)


def octets(content: bytes) -> Act:
    """These bytes, as REST sends them."""
    return body(content, "application/octet-stream")


def needs(credentials: str) -> Act:
    """The right answer for who knows the password, 401 for everybody else."""
    from base64 import b64encode

    expected = "Basic " + b64encode(credentials.encode()).decode()

    def act(handler: Handler) -> None:
        (result(1) if handler.headers["authorization"] == expected else status(401))(handler)

    return act


def bare(*, length: int | None, sent: bytes) -> Act:
    """An answer that says one length, or none, and sends these bytes, then hangs up."""

    def act(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "application/json")
        handler.send_header("connection", "close")
        if length is not None:
            handler.send_header("content-length", str(length))
        handler.end_headers()
        handler.wfile.write(sent)
        handler.close_connection = True

    return act


def endless_chunks(handler: Handler) -> None:
    """Chunks of blanks without end."""
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.send_header("transfer-encoding", "chunked")
    handler.end_headers()
    while not handler.server.released.is_set():
        handler.wfile.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")


def raw(content: bytes) -> Act:
    """These bytes instead of HTTP, then the end."""

    def act(handler: Handler) -> None:
        handler.wfile.write(content)
        handler.close_connection = True

    return act


hang_up = raw(b"")
not_http = raw(f"SSH-2.0-OpenSSH {FOREIGN}\r\n\r\n".encode())
too_many_headers = raw(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n")


def never(handler: Handler) -> None:
    """No answer at all."""
    handler.server.released.wait(30)
    handler.close_connection = True


def drip(handler: Handler) -> None:
    """One byte at a time, each well within any socket's patience, never an end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not handler.server.released.wait(0.02):
        handler.wfile.write(b"a")
