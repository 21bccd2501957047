"""Which addresses are called and which are not; a connector counts."""

import json
from pathlib import Path

import pytest

from isthmus.failure import Failure, Invalid
from isthmus.outbound import Outgoing, Policy, fetch
from tests.core.outbound.world import Serve, World

BODY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"

HERE = Path(__file__).parent
FORBIDDEN = [json.loads(line) for line in (HERE / "forbidden.jsonl").read_text().splitlines()]
GOOD = [json.loads(line) for line in (HERE / "allowed.jsonl").read_text().splitlines()]
RESOLVED = [
    ("127.0.0.1.nip.io", ("127.0.0.1",)),
    ("localtest.me", ("127.0.0.1", "::1")),
    ("169-254-169-254.sslip.io", ("169.254.169.254",)),
    ("mixed.good.com", ("93.184.215.14", "10.0.0.1")),
    ("last.good.com", ("93.184.215.14", "2606:4700:4700::1111", "::1")),
    ("mapped.good.com", ("::ffff:10.0.0.1",)),
    ("nat64.good.com", ("64:ff9b::10.0.0.1",)),
    ("link.good.com", ("fe80::1%eth0",)),
    ("scoped.good.com", ("2606:4700:4700::1111%eth0",)),
    ("metadata.good.com", ("fd00:ec2::254",)),
    ("nobody.good.com", ()),
    ("garbage.good.com", ("not an address",)),
    ("empty.good.com", ("",)),
    ("broadcast.good.com", ("255.255.255.255",)),
    ("zero.good.com", ("0.0.0.0",)),
]


def test_there_are_enough_of_both() -> None:
    assert len(FORBIDDEN) + len(RESOLVED) >= 200
    assert len(GOOD) >= 20


@pytest.mark.parametrize("url", FORBIDDEN, ids=ascii)
def test_a_forbidden_address_is_refused_before_anything_is_resolved_or_connected(world: World, url: str) -> None:
    with pytest.raises(Invalid) as refused:
        fetch(Outgoing(url), Policy(redirects=3), world.network)

    assert (world.resolved, world.connected) == ([], [])
    assert refused.value.code == "outbound/refused"


@pytest.mark.parametrize(("name", "addresses"), RESOLVED)
def test_a_name_with_one_address_that_is_not_public_is_not_connected(
    world: World, name: str, addresses: tuple[str]
) -> None:
    world.names[name] = [addresses]

    with pytest.raises(Invalid) as refused:
        fetch(Outgoing(f"https://{name}/"), network=world.network)

    assert (world.resolved, world.connected) == ([name], [])
    assert refused.value.code == "outbound/refused"


def test_every_refusal_is_the_same_document_and_names_nothing(world: World) -> None:
    world.names |= {name: [addresses] for name, addresses in RESOLVED}
    documents = set()
    for url in [*FORBIDDEN, *(f"https://{name}/" for name, _ in RESOLVED)]:
        with pytest.raises(Invalid) as refused:
            fetch(Outgoing(url), network=world.network)
        documents.add(str(refused.value.problem("one")))

    assert len(documents) == 1


@pytest.mark.parametrize("url", GOOD)
def test_a_public_address_is_connected_exactly_once(world: World, url: str) -> None:
    with pytest.raises(Exception, match="cannot be reached"):
        fetch(Outgoing(url), network=world.network)

    assert len(world.connected) == 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_loopback_is_called_only_when_a_policy_says_so(world: World, serve: Serve, host: str) -> None:
    world.names["localhost"] = [("127.0.0.1",)]
    serve(BODY, address="::1" if ":" in host else "127.0.0.1", tls=False)
    url = f"http://{host}:8080/"

    answer = fetch(Outgoing(url), Policy(frozenset({8080}), http=True, loopback=True), world.network)

    assert answer.body == b"{}"
    for less in (Policy(frozenset({8080}), http=True), Policy(frozenset({8080}), loopback=True)):
        with pytest.raises(Invalid):
            fetch(Outgoing(url), less, world.network)
    assert len(world.connected) == 1


@pytest.mark.parametrize(
    "host", ["127.0.0.2", "0.0.0.0", "a.localhost", "10.0.0.1", "127.0.0.1.nip.io", "[::ffff:7f00:1]"]
)
def test_allowing_loopback_allows_its_three_names_and_no_other(world: World, host: str) -> None:
    world.names["127.0.0.1.nip.io"] = [("127.0.0.1",)]

    with pytest.raises(Invalid):
        fetch(Outgoing(f"https://{host}/"), Policy(loopback=True), world.network)

    assert world.connected == []


def test_localhost_that_is_elsewhere_is_refused(world: World) -> None:
    world.names["localhost"] = [("127.0.0.1", "10.0.0.1")]

    with pytest.raises(Invalid):
        fetch(Outgoing("https://localhost/"), Policy(loopback=True), world.network)

    assert world.connected == []


def test_a_port_and_plain_http_can_be_allowed(world: World, serve: Serve) -> None:
    host = serve(BODY, tls=False)

    fetch(Outgoing("http://good.com:8080/x"), Policy(frozenset({8080}), http=True), world.network)

    assert host.asked()[0].startswith("get /x http/1.1\r\nhost: good.com:8080\r\n")


def test_a_url_of_2048_characters_is_read_and_one_more_is_not(world: World) -> None:
    for length, connected in ((2048, 1), (2049, 1)):
        with pytest.raises(Failure):
            fetch(Outgoing("https://good.com/".ljust(length, "a")), network=world.network)
        assert len(world.connected) == connected


def test_a_name_of_253_characters_is_read_and_one_more_is_not(world: World) -> None:
    for length, connected in ((253, 1), (254, 1)):
        name = "a" * (length - 4 - 192) + "." + "".join(f"{'b' * 63}." for _ in range(3)) + "com"
        with pytest.raises(Failure):
            fetch(Outgoing(f"https://{name}/"), network=world.network)
        assert (len(name), len(world.connected)) == (length, connected)


@pytest.mark.parametrize(("label", "connections"), [("a" * 63, 1), ("a" * 64, 0)])
def test_a_label_of_63_characters_is_read_and_one_more_is_not(world: World, label: str, connections: int) -> None:
    with pytest.raises(Failure):
        fetch(Outgoing(f"https://{label}.com/"), network=world.network)

    assert len(world.connected) == connections
