"""Hosts on this machine that stand for foreign ones, and a network in which a test says what is where."""

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from isthmus.outbound import Network

PUBLIC = "93.184.215.14"
Behave = Callable[[socket.socket, bytes], None]


@dataclass
class World:
    """A network in which names are what the test says, and every address is a port of this machine."""

    names: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    trusted: Path | None = None
    resolved: list[str] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)

    def resolve(self, host: str, port: int, timeout_s: float) -> tuple[str, ...]:
        """The next answer for a name; the last one stays."""
        self.resolved.append(host)
        answers = self.names.get(host, [(PUBLIC,)])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def connect(self, address: str, port: int, timeout_s: float) -> socket.socket:
        """A connection to the server that stands for an address."""
        self.connected.append(address)
        if address not in self.ports:
            raise ConnectionRefusedError
        return socket.create_connection(("127.0.0.1", self.ports[address]), timeout=timeout_s)

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.trusted)

    @property
    def network(self) -> Network:
        return Network(self.resolve, self.connect, self.trust)


@dataclass
class Host:
    """A server for one kind of answer; `heads` is what it was asked."""

    port: int
    heads: list[bytes] = field(default_factory=list)
    gone: Event = field(default_factory=Event)

    def asked(self) -> list[str]:
        return [head.decode().lower() for head in self.heads]


@dataclass(frozen=True)
class Certificate:
    """A certificate that vouches for itself."""

    path: Path

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        return context


Serve = Callable[..., Host]
