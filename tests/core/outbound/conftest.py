"""A world without hosts, and servers to put into it."""

import datetime as dt
import re
import socket
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from threading import Thread

import pytest

from tests.core.outbound.world import PUBLIC, Behave, Certificate, Host, Serve, World

TLS_HANDSHAKE = b"\x16"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For good.com, other.org and 127.0.0.1."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "good.com")])
    names: list[x509.GeneralName] = [x509.DNSName("good.com"), x509.DNSName("other.org")]
    names.append(x509.IPAddress(ip_address("127.0.0.1")))
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return Certificate(path)


@pytest.fixture
def world(certificate: Certificate) -> World:
    """An Internet without hosts."""
    return World(trusted=certificate.path)


@pytest.fixture
def serve(world: World, certificate: Certificate) -> Iterator[Serve]:
    """Put a host into the world: `serve(bytes or behaviour, address=PUBLIC, tls=True)`."""
    listening: list[socket.socket] = []
    threads: list[Thread] = []

    def start(answer: bytes | Behave, *, address: str = PUBLIC, tls: bool = True) -> Host:
        listener = socket.create_server(("127.0.0.1", 0))
        listening.append(listener)
        host = Host(listener.getsockname()[1])
        world.ports[address] = host.port
        behave = _saying(answer) if isinstance(answer, bytes) else answer
        context = certificate.context() if tls else None
        threads.append(Thread(target=_listen, args=(listener, context, host, behave)))
        threads[-1].start()
        return host

    yield start
    for listener in listening:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join()


def _saying(answer: bytes) -> Behave:
    return lambda connection, _: connection.sendall(answer)


def _listen(listener: socket.socket, context: ssl.SSLContext | None, host: Host, behave: Behave) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        with plain:
            try:
                connection = context.wrap_socket(plain, server_side=True) if context else plain
            except OSError:
                continue
            with connection:
                _serve(connection, host, behave)


def _serve(connection: socket.socket, host: Host, behave: Behave) -> None:
    try:
        asked = _whole(connection)
        host.heads.append(asked)
        behave(connection, asked)
        if isinstance(connection, ssl.SSLSocket):
            connection.unwrap()
    except OSError:
        host.gone.set()


def _whole(connection: socket.socket) -> bytes:
    """A request's head and its body."""
    read = b""
    while b"\r\n\r\n" not in read and read[:1] != TLS_HANDSHAKE:
        read += connection.recv(65_536) or b"\r\n\r\n"
    head, _, body = read.partition(b"\r\n\r\n")
    length = next((int(value) for value in re.findall(rb"(?i)content-length: *(\d+)", head)), 0)
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body
