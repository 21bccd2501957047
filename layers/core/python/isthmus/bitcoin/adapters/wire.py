"""One HTTP connection to a node, bounded in time and size, in the shape that python-bitcoinrpc takes for its own."""

import io
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead
from time import monotonic
from typing import Literal

from isthmus.bitcoin.adapters.endpoint import Endpoint

Reason = Literal["refused", "tls", "timeout", "cut", "nonsense", "oversize"]


class Lost(Exception):  # noqa: N818 - it never leaves the adapter; there it becomes a failure
    """No answer, and why; `sent` when the node may have read the request, `kept` when the connection was an old one."""

    def __init__(self, reason: Reason, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.kept = False


@dataclass(frozen=True)
class Reply:
    """One HTTP answer, read whole."""

    status: int
    media_type: str
    body: bytes


class Wire:
    """A connection for one call at a time; `begin` sets the moment at which everything on it ends."""

    def __init__(self, endpoint: Endpoint, max_reply_bytes: int) -> None:
        self.endpoint = endpoint
        self.reusable = False
        self.asked = ""
        self.sock = self
        self._max_reply_bytes = max_reply_bytes
        self._deadline = 0.0
        self._sent = False
        self._http = _connection(endpoint)

    def begin(self, deadline: float) -> None:
        """Start a call that ends at `deadline` on the monotonic clock, answered or not."""
        self._deadline, self._sent, self.reusable = deadline, False, False

    def left(self) -> float:
        """Seconds until the deadline.

        Raises:
            TimeoutError: it has passed.
        """
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def settimeout(self, _seconds: float) -> None:
        """Ignore what python-bitcoinrpc sets on `sock`, which is this object: the deadline is the only clock."""

    def request(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a request, connecting first if need be; a POST carries our credentials.

        Raises:
            Lost: it could not be sent.
        """
        own = {name: value for name, value in (headers or {}).items() if name not in ("Host", "Authorization")}
        if body is not None:
            self.asked = body
            own["Authorization"] = "Basic " + b64encode(self.endpoint.credentials.encode()).decode()
        with self._losses():
            sock = self._connected()
            self._sent = True
            self._http.request(method, path, body, own)
            sock.flush()

    def reply(self) -> Reply:
        """Read the whole answer.

        Raises:
            Lost: it did not come whole, in time and within the limit.
        """
        with self._losses(), closing(self._http.getresponse()) as response:
            if (response.length or 0) > self._max_reply_bytes:
                raise Lost("oversize", sent=True)
            body = response.read(self._max_reply_bytes + 1)
            if len(body) > self._max_reply_bytes:
                raise Lost("oversize", sent=True)
            if response.length:
                raise Lost("cut", sent=True)
            self.reusable = not response.will_close
            return Reply(response.status, response.headers.get_content_type(), body)

    def close(self) -> None:
        """Let go of the socket."""
        self._http.close()

    def _connected(self) -> "_Timed":
        if not isinstance(self._http.sock, _Timed):
            self._http.timeout = self.left()
            self._http.connect()
            self._http.sock = _Timed(self._http.sock, self)
        return self._http.sock

    @contextmanager
    def _losses(self) -> Iterator[None]:
        """Say in one word why a connection failed; the system's and the other side's texts end here."""
        try:
            yield
        except TimeoutError:
            raise Lost("timeout", sent=self._sent) from None
        except ssl.SSLError:
            raise Lost("cut" if self._sent else "tls", sent=self._sent) from None
        except (OSError, UnicodeError, IncompleteRead):
            raise Lost("cut" if self._sent else "refused", sent=self._sent) from None
        except HTTPException:
            raise Lost("nonsense", sent=self._sent) from None


class _Timed:
    """A connected socket on which each step may take what is left until the wire's deadline."""

    def __init__(self, sock: socket.socket, wire: Wire) -> None:
        self._sock = sock
        self._wire = wire
        self._unsent = b""

    def sendall(self, data: bytes) -> None:
        self._unsent += data

    def flush(self) -> None:
        """Send head and body at once: http.client hands them over apart, and a node would wake up for a head alone."""
        self._sock.settimeout(self._wire.left())
        unsent, self._unsent = self._unsent, b""
        self._sock.sendall(unsent)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._wire), 65_536)

    def close(self) -> None:
        self._sock.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, wire: Wire) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]  # a BufferedReader passes no other
        self._sock.settimeout(self._wire.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _connection(endpoint: Endpoint) -> HTTPConnection:
    if endpoint.scheme == "http":
        return HTTPConnection(endpoint.host, endpoint.port)
    try:
        context = ssl.create_default_context(cadata=endpoint.ca)
    except (ssl.SSLError, ValueError):
        raise Lost("tls", sent=False) from None
    return HTTPSConnection(endpoint.host, endpoint.port, context=context)
