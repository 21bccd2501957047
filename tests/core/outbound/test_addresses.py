"""Public or not, compared with a table of ranges of its own: integers, no `ipaddress` properties."""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from isthmus.failure import Failure
from isthmus.outbound import Network, Outgoing, fetch
from isthmus.outbound.addresses import is_public


def v4(text: str) -> int:
    a, b, c, d = (int(part) for part in text.split("."))
    return a << 24 | b << 16 | c << 8 | d


CLOSED_V4 = [
    (v4(first), v4(last))
    for first, last in (
        ("0.0.0.0", "0.255.255.255"),
        ("10.0.0.0", "10.255.255.255"),
        ("100.64.0.0", "100.127.255.255"),
        ("127.0.0.0", "127.255.255.255"),
        ("168.63.129.16", "168.63.129.16"),
        ("169.254.0.0", "169.254.255.255"),
        ("172.16.0.0", "172.31.255.255"),
        ("192.0.0.0", "192.0.0.255"),
        ("192.0.2.0", "192.0.2.255"),
        ("192.31.196.0", "192.31.196.255"),
        ("192.52.193.0", "192.52.193.255"),
        ("192.88.99.0", "192.88.99.255"),
        ("192.168.0.0", "192.168.255.255"),
        ("192.175.48.0", "192.175.48.255"),
        ("198.18.0.0", "198.19.255.255"),
        ("198.51.100.0", "198.51.100.255"),
        ("203.0.113.0", "203.0.113.255"),
        ("224.0.0.0", "255.255.255.255"),
    )
]
CLOSED_V6 = ["20010000/23", "20010db8/32", "2002/16", "2620004f8000/48", "3fff0/20"]


def open_v4(address: int) -> bool:
    return not any(first <= address <= last for first, last in CLOSED_V4)


def open_v6(address: int) -> bool:
    if address >> 32 == 0x64FF9B << 64:
        return open_v4(address & 0xFFFFFFFF)
    closed = [
        (int(digits, 16) << (128 - 4 * len(digits)), int(bits)) for digits, bits in (c.split("/") for c in CLOSED_V6)
    ]
    return address >> 125 == 1 and not any(address >> (128 - bits) == start >> (128 - bits) for start, bits in closed)


EDGES_V4 = st.sampled_from([edge + step for pair in CLOSED_V4 for edge in pair for step in (-1, 0, 1)]).filter(
    lambda address: 0 <= address < 2**32
)
INTERESTING_V6 = st.builds(
    lambda start, low: start << 96 | low,
    st.sampled_from([0x20010000, 0x200101FF, 0x20010200, 0x20010DB8, 0x20010DB9, 0x2002A9FE, 0x2620004F, 0x3FFF0000])
    | st.integers(0x20000000, 0x3FFFFFFF),
    st.integers(0, 2**96 - 1),
)


@settings(deadline=None)  # other processes share the machine
@given(st.integers(0, 2**32 - 1) | EDGES_V4)
def test_an_ipv4_address_is_public_where_the_table_is_open(address: int) -> None:
    assert is_public(IPv4Address(address)) == open_v4(address)


@settings(deadline=None)  # other processes share the machine
@given(st.integers(0, 2**128 - 1) | INTERESTING_V6)
@example(0x2620004F8000 << 80)
@example((0x2620004F8001 << 80) - 1)
@example((0x3FFF1 << 108) - 1)
@example(0x3FFF1 << 108)
@example(0x4000 << 112)
def test_an_ipv6_address_is_public_where_the_table_is_open(address: int) -> None:
    assert is_public(IPv6Address(address)) == open_v6(address)


@settings(deadline=None)  # other processes share the machine
@given(st.integers(0, 2**32 - 1) | EDGES_V4)
def test_nat64_is_as_public_as_the_address_inside_and_every_other_wrapping_is_closed(address: int) -> None:
    assert is_public(IPv6Address((0x64FF9B << 96) | address)) == open_v4(address)
    for wrapped in (address, 0xFFFF << 32 | address, 0xFFFF0000 << 32 | address, 0x2002 << 112 | address << 80):
        assert not is_public(IPv6Address(wrapped))
    assert not is_public(IPv6Address(0x20010000 << 96 | address ^ 0xFFFFFFFF))


@pytest.mark.parametrize("network", ["::/3", "4000::/2", "8000::/1"])
@settings(deadline=None)  # other processes share the machine
@given(low=st.integers(0, 2**125 - 1))
def test_only_global_unicast_is_public_but_for_nat64(network: str, low: int) -> None:
    address = IPv6Network(network)[low]

    assert not is_public(address) or address in IPv6Network("64:ff9b::/96")


def test_an_address_with_a_zone_is_not_public() -> None:
    assert is_public(IPv6Address("2606:4700:4700::1111"))
    assert not is_public(IPv6Address("2606:4700:4700::1111%1"))


def dialled(url: str, *answers: str) -> list[str]:
    """The addresses that a call tries to connect to, when a resolver answers so."""
    tried: list[str] = []

    def connect(address: str, port: int, timeout_s: float) -> socket.socket:
        tried.append(address)
        raise ConnectionRefusedError

    with pytest.raises(Failure):
        fetch(Outgoing(url), network=Network(lambda *_: answers, connect))
    return tried


@settings(deadline=None)  # other processes share the machine
@given(st.lists(st.integers(0, 2**32 - 1) | EDGES_V4, min_size=1, max_size=3, unique=True))
def test_a_name_is_connected_where_all_its_addresses_are_open_and_nowhere_else(addresses: list[int]) -> None:
    answers = [str(IPv4Address(address)) for address in addresses]

    assert dialled("https://good.com/", *answers) == (answers if all(map(open_v4, addresses)) else [])


def spelt(number: int, base: str) -> str:
    return {"d": str(number), "o": f"0{number:o}", "x": f"0x{number:x}", "z": f"0{number}"}[base]


@settings(deadline=None)  # other processes share the machine
@given(
    st.integers(0, 2**32 - 1) | EDGES_V4,
    st.integers(1, 4),
    st.lists(st.sampled_from("doxz"), min_size=4, max_size=4),
)
def test_a_literal_is_connected_in_its_one_form_and_in_no_other(address: int, parts: int, bases: list[str]) -> None:
    octets = list(address.to_bytes(4, "big"))
    numbers = [*octets[: parts - 1], int.from_bytes(octets[parts - 1 :], "big")]
    host = ".".join(spelt(number, base) for number, base in zip(numbers, bases, strict=False))
    plain = host == ".".join(map(str, octets)) and open_v4(address)

    assert dialled(f"https://{host}/", "93.184.215.14") == ([host] if plain else [])
