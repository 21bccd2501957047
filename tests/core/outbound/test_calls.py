"""What a call asks of the network, and whether a POST that got no answer may have had an effect."""

import socket

import pytest

from isthmus.failure import Unavailable
from isthmus.outbound import Network, Outgoing, Policy, fetch
from tests.core.outbound.world import PUBLIC, Serve, World

POST = Outgoing("https://good.com/", "POST", body=b"{}")


def lost(outgoing: Outgoing, network: Network, policy: Policy | None = None) -> tuple[str, str]:
    with pytest.raises(Unavailable) as failed:
        fetch(outgoing, policy, network)
    return failed.value.code, failed.value.money_moved


def test_a_post_that_is_not_answered_in_time_may_have_had_an_effect(world: World, serve: Serve) -> None:
    serve(lambda connection, _: connection.recv(1) and None)

    assert lost(POST, world.network, Policy(deadline_s=0.3)) == ("outbound/timeout", "unknown")


def test_a_post_with_too_large_an_answer_may_have_had_an_effect(world: World, serve: Serve) -> None:
    serve(b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello world")

    assert lost(POST, world.network, Policy(max_answer_bytes=10)) == ("outbound/too-large", "unknown")


def test_a_post_for_which_no_name_was_resolved_in_time_had_no_effect(world: World) -> None:
    def never(host: str, port: int, timeout_s: float) -> tuple[str, ...]:
        raise TimeoutError

    assert lost(POST, Network(never, world.connect, world.trust)) == ("outbound/timeout", "no")


def test_a_post_that_never_shook_hands_had_no_effect(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        world.ports[PUBLIC] = silent.getsockname()[1]

        assert lost(POST, world.network, Policy(deadline_s=0.2)) == ("outbound/timeout", "no")


def test_the_time_that_is_left_is_shared_by_the_addresses_that_are_left() -> None:
    asked: list[tuple[str, int, float]] = []

    def resolve(host: str, port: int, timeout_s: float) -> tuple[str, ...]:
        asked.append((host, port, timeout_s))
        return "1.1.1.1", "1.1.1.2", "1.1.1.3"

    def connect(address: str, port: int, timeout_s: float) -> socket.socket:
        asked.append((address, port, timeout_s))
        raise ConnectionRefusedError

    url, policy = "https://good.com:8443/", Policy(frozenset({8443}), deadline_s=5)
    assert lost(Outgoing(url), Network(resolve, connect), policy) == ("outbound/unreachable", "no")

    assert [one[:2] for one in asked] == [(name, 8443) for name in ("good.com", "1.1.1.1", "1.1.1.2", "1.1.1.3")]
    most = (5, 5 / 3, 5 / 2, 5)
    assert all(0 < given <= limit for (_, _, given), limit in zip(asked, most, strict=True))
    # Each gets more than the one before, because none of them took any of it: only the order is certain, not the time.
    assert asked[1][2] < asked[2][2] < asked[3][2]
