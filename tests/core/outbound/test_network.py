"""The real resolver and connector at their edges: IPv6, time limits, and lookups that outlive their caller."""

import socket
import ssl
import threading

import pytest

from isthmus.outbound.network import connect, resolve, trust


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["IPv4", "IPv6"]
)
def test_a_literal_address_is_connected_in_its_own_family(family: socket.AddressFamily, address: str) -> None:
    with socket.create_server((address, 0), family=family) as listener:
        connection = connect(address, listener.getsockname()[1], 5)
        with connection:
            assert (connection.family, connection.type) == (family, socket.SOCK_STREAM)
            assert connection.getpeername()[:2] == listener.getsockname()[:2]
            assert connection.gettimeout() == 5


def test_a_connection_that_is_never_taken_ends_in_time() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), pytest.raises(TimeoutError):
            connect("127.0.0.1", port, 0.05)


def test_a_lookup_that_hangs_does_not_keep_the_process_from_ending() -> None:
    began, end = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def hanging(*asked: object, type: int) -> list[tuple[object, ...]]:  # noqa: A002 - getaddrinfo's name
        threads.append(threading.current_thread())
        began.set()
        end.wait(10)
        return []

    try:
        with pytest.raises(TimeoutError):
            resolve("good.com", 443, 0.01, hanging)
        assert began.wait(10)
        assert [one.daemon for one in threads] == [True]
    finally:
        end.set()
        threads[0].join(10)


def test_the_real_context_speaks_only_http_1_1_over_tls_1_2_or_newer_to_the_names_of_a_certificate() -> None:
    context, sent = trust(), ssl.MemoryBIO()

    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="good.com").do_handshake()

    offered = sent.read()
    assert b"\x00\x09\x08http/1.1" in offered
    assert b"\x08good.com" in offered
    assert (context.minimum_version, context.hostname_checks_common_name) == (ssl.TLSVersion.TLSv1_2, False)
