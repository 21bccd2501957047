"""Calls to hosts on this machine: what is sent, whom it trusts, where redirects lead, and what bad hosts achieve."""

import gzip
import itertools
import socket
import ssl
import threading
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from isthmus.failure import Defect, Failure, Invalid, Unavailable
from isthmus.outbound import Network, Outgoing, Policy, fetch
from isthmus.outbound.network import MAX_LOOKUPS, connect, resolve, trust
from tests.core.outbound.world import PUBLIC, Serve, World

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: 2\r\n\r\n{}"
OTHER = "151.101.1.6"
MIB = 1024 * 1024
GET = Outgoing("https://good.com/")
POST = Outgoing("https://good.com/", "POST", body=b"{}")


def head(*fields: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode("latin-1")


def moved(place: str, status: str = "302 Found") -> bytes:
    return head(f"location: {place}", "content-length: 0", status=status)


def code_of(world: World, outgoing: Outgoing = GET, policy: Policy | None = None) -> str:
    with pytest.raises(Failure) as failed:
        fetch(outgoing, policy, world.network)
    assert failed.value.__cause__ is None
    return failed.value.code


def test_a_get_says_who_it_is_for_asks_for_no_coding_and_keeps_no_connection(world: World, serve: Serve) -> None:
    host = serve(OK)

    answer = fetch(Outgoing("https://good.com/a?b=c", headers={"accept": "application/json"}), network=world.network)

    assert (answer.status, answer.media_type, answer.body) == (200, "application/json", b"{}")
    assert host.heads == [
        (
            b"GET /a?b=c HTTP/1.1\r\nhost: good.com\r\nconnection: close\r\naccept-encoding: identity\r\n"
            b"user-agent: isthmus\r\naccept: application/json\r\n\r\n"
        )
    ]
    assert world.connected == [PUBLIC]


def test_a_post_carries_its_body_and_credentials(world: World, serve: Serve) -> None:
    host = serve(head("content-length: 0", status="202 Accepted"))
    secret = {"authorization": SecretStr("Bearer canary")}
    outgoing = Outgoing("https://good.com/hook", "POST", {"content-type": "application/json"}, secret, b'{"a":1}')

    answer = fetch(outgoing, network=world.network)

    assert (answer.status, answer.media_type, answer.body) == (202, "", b"")
    assert b"authorization: Bearer canary\r\n" in host.heads[0]
    assert host.heads[0].endswith(
        b'content-length: 7\r\ncontent-type: application/json\r\nauthorization: Bearer canary\r\n\r\n{"a":1}'
    )
    assert not any(part in repr(outgoing) for part in ("canary", "hook", '{"a"'))


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "204 No Content", "304 Not Modified", "300 Many"])
def test_any_other_status_is_the_caller_s_to_judge(world: World, serve: Serve, status: str) -> None:
    serve(head("content-length: 0", status=status))

    assert fetch(GET, network=world.network).status == int(status[:3])


@pytest.mark.parametrize(
    "answer",
    [
        head("transfer-encoding: chunked") + b"5\r\nhello\r\n6\r\n world\r\n0\r\nx: y\r\n\r\n",
        head("connection: close") + b"hello world",
        head("content-length: 11", "content-encoding: identity") + b"hello world",
        b"HTTP/1.1 100 Continue\r\n\r\n" + head("content-length: 11") + b"hello world",
    ],
    ids=["chunks", "until the end", "length", "continued"],
)
def test_a_body_is_read_however_http_frames_it(world: World, serve: Serve, answer: bytes) -> None:
    serve(answer)

    assert fetch(GET, network=world.network).body == b"hello world"


def test_a_certificate_for_another_name_is_not_trusted(world: World, serve: Serve) -> None:
    host = serve(OK)

    assert code_of(world, Outgoing("https://bad.com/")) == "outbound/tls"
    assert host.heads == []


def test_a_certificate_nobody_vouches_for_is_not_trusted(world: World, serve: Serve) -> None:
    host = serve(OK)
    network = Network(world.resolve, world.connect, trust)

    with pytest.raises(Unavailable) as failed:
        fetch(GET, network=network)

    assert (failed.value.code, host.heads) == ("outbound/tls", [])


def test_a_certificate_for_a_literal_address_is_checked_too(world: World, serve: Serve) -> None:
    serve(OK, address="127.0.0.1")
    serve(OK, address="8.8.8.8")

    assert fetch(Outgoing("https://127.0.0.1/"), Policy(loopback=True), world.network).body == b"{}"
    assert code_of(world, Outgoing("https://8.8.8.8/")) == "outbound/tls"


def test_a_host_that_speaks_no_tls_is_not_spoken_to_plainly(world: World, serve: Serve) -> None:
    serve(OK, tls=False)

    assert code_of(world) == "outbound/tls"


def test_the_real_context_checks_names_and_certificates() -> None:
    context = trust()

    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_name_that_is_rebound_is_resolved_once_and_stays_where_it_was(world: World, serve: Serve) -> None:
    world.names["good.com"] = [(PUBLIC,), ("127.0.0.1",), ("169.254.169.254",)]
    serve(OK)

    fetch(GET, network=world.network)

    assert (world.resolved, world.connected) == (["good.com"], [PUBLIC])


def test_a_name_that_is_rebound_between_redirects_is_refused(world: World, serve: Serve) -> None:
    world.names["good.com"] = [(PUBLIC,), ("127.0.0.1",)]
    serve(moved("/again"))

    assert code_of(world, policy=Policy(redirects=3)) == "outbound/refused"
    assert (world.resolved, world.connected) == (["good.com", "good.com"], [PUBLIC])


def test_the_next_address_is_tried_when_one_does_not_take_the_connection(world: World, serve: Serve) -> None:
    world.names["good.com"] = [("1.1.1.1", PUBLIC)]
    serve(OK)

    assert fetch(GET, network=world.network).body == b"{}"
    assert world.connected == ["1.1.1.1", PUBLIC]


@pytest.mark.parametrize(
    ("answers", "tried"),
    [
        (("2606:4700::1", "2606:4700::2", "2606:4700::3", "1.1.1.1"), ["2606:4700::1", "1.1.1.1", "2606:4700::2"]),
        (("1.1.1.1", "1.1.1.2", "1.1.1.3", "2606:4700::1"), ["1.1.1.1", "2606:4700::1", "1.1.1.2"]),
        (("1.1.1.1", "2606:4700::1"), ["1.1.1.1", "2606:4700::1"]),
    ],
)
def test_ipv6_and_ipv4_take_turns(world: World, answers: tuple[str, ...], tried: list[str]) -> None:
    world.names["good.com"] = [answers]

    assert code_of(world) == "outbound/unreachable"
    assert world.connected == tried


def test_only_three_addresses_are_tried(world: World) -> None:
    world.names["good.com"] = [tuple(f"1.1.1.{last}" for last in range(1, 9))]

    assert code_of(world) == "outbound/unreachable"
    assert len(world.connected) == 3


def test_no_redirect_is_followed_unless_asked_for(world: World, serve: Serve) -> None:
    host = serve(moved("https://good.com/b"))

    assert code_of(world) == "outbound/redirect"
    assert len(host.heads) == 1


def test_as_many_redirects_are_followed_as_asked_for_and_not_one_more(world: World, serve: Serve) -> None:
    answers = itertools.chain([moved("/1"), moved("2"), moved("https://good.com/3"), OK], itertools.repeat(moved("/x")))
    host = serve(lambda connection, _: connection.sendall(next(answers)))

    assert fetch(GET, Policy(redirects=3), world.network).body == b"{}"
    assert [asked.split()[1] for asked in host.asked()] == ["/", "/1", "/2", "/3"]
    assert code_of(world, policy=Policy(redirects=3)) == "outbound/redirect"
    assert len(host.heads) == 8


PLACES = [
    "https://127.0.0.1/",
    "https://localhost/",
    "https://10.0.0.1/",
    "//169.254.169.254/latest",
    "https://[::1]/",
    "http://good.com/",
    "https://2130706433/",
    "https://private.com/",
    "https://good.com:22/",
    "https://user:word@good.com/",
    "file:///etc/passwd",
    "https://good.com/#x",
    "gopher://good.com/",
    "https://good.com\\@127.0.0.1/",
    "//good.com:80",
    "https://[",
    "https://127.0.0.1.nip.io/",
]


@pytest.mark.parametrize("place", PLACES)
def test_a_redirect_is_checked_like_any_address(world: World, serve: Serve, place: str) -> None:
    world.names |= {"private.com": [("10.0.0.1",)], "127.0.0.1.nip.io": [("127.0.0.1",)]}
    serve(moved(place))

    assert code_of(world, policy=Policy(redirects=3)) == "outbound/refused"
    assert world.connected == [PUBLIC]


def test_a_redirect_from_https_to_http_is_refused_even_where_http_is_allowed(world: World, serve: Serve) -> None:
    serve(moved("http://good.com/"))

    assert code_of(world, policy=Policy(frozenset({80, 443}), http=True, redirects=3)) == "outbound/refused"
    assert world.connected == [PUBLIC]


@pytest.mark.parametrize(
    "answer",
    [
        head("content-length: 0", status="302 Found"),
        head("location: /a", "location: /b", "content-length: 0", status="302 Found"),
        moved("/\xe9"),
    ],
)
def test_a_redirect_to_nowhere_is_no_answer(world: World, serve: Serve, answer: bytes) -> None:
    serve(answer)

    assert code_of(world, policy=Policy(redirects=3)) == "outbound/answer"


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
def test_a_post_is_never_sent_elsewhere(world: World, serve: Serve, status: str) -> None:
    host = serve(moved("https://good.com/b", status))

    with pytest.raises(Unavailable) as failed:
        fetch(POST, Policy(redirects=3), world.network)

    assert (failed.value.code, failed.value.money_moved, len(host.heads)) == ("outbound/redirect", "unknown", 1)


def test_credentials_and_own_headers_stay_with_the_origin_they_were_meant_for(world: World, serve: Serve) -> None:
    world.names["other.org"] = [(OTHER,)]
    first = iter([moved("/same"), moved("https://other.org/"), OK])
    mine, theirs = serve(lambda c, _: c.sendall(next(first))), serve(moved("https://good.com/back"), address=OTHER)
    outgoing = Outgoing(
        GET.url, "GET", {"accept": "text/plain", "x-own": "canary"}, {"authorization": SecretStr("canary")}
    )

    fetch(outgoing, Policy(redirects=3), world.network)

    assert ["canary" in asked for asked in mine.asked()] == [True, True, False]
    assert ["canary" in asked for asked in theirs.asked()] == [False]
    assert "accept: text/plain" in theirs.asked()[0]


def test_cookies_are_neither_kept_nor_sent(world: World, serve: Serve) -> None:
    answers = iter([head("location: /b", "set-cookie: a=canary", "content-length: 0", status="302 Found"), OK])
    host = serve(lambda connection, _: connection.sendall(next(answers)))

    fetch(GET, Policy(redirects=1), world.network)

    assert all("cookie" not in asked for asked in host.asked())


def drip(piece: bytes) -> Callable[[socket.socket, bytes], None]:
    """Send the same piece until the caller goes away."""

    def behave(connection: socket.socket, _: bytes) -> None:
        while True:
            connection.sendall(piece)

    return behave


def slowly(start: bytes, piece: bytes) -> Callable[[socket.socket, bytes], None]:
    """Send a start, and then a piece now and then, each well before any single read would time out."""

    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(start)
        connection.settimeout(0.05)
        while True:
            connection.sendall(piece)
            try:
                if connection.recv(1) == b"":
                    raise ConnectionResetError
            except TimeoutError:
                continue

    return behave


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
        (head("content-length: 9999"), b"x"),
        (head("transfer-encoding: chunked"), b"1\r\nx\r\n"),
    ],
    ids=["status", "headers", "body", "chunks"],
)
def test_a_host_that_answers_bit_by_bit_ends_at_the_deadline(
    world: World, serve: Serve, start: bytes, piece: bytes, *, tls: bool
) -> None:
    host = serve(slowly(start, piece), tls=tls)
    url, ports = ("https://good.com/", {443}) if tls else ("http://good.com/", {80})

    assert code_of(world, Outgoing(url), Policy(frozenset(ports), http=True, deadline_s=0.4)) == "outbound/timeout"
    assert host.gone.wait(10)


def test_a_host_that_says_nothing_ends_at_the_deadline(world: World, serve: Serve) -> None:
    serve(lambda connection, _: connection.recv(1) and None)

    assert code_of(world, policy=Policy(deadline_s=0.2)) == "outbound/timeout"


def test_a_host_that_never_shakes_hands_ends_at_the_deadline(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        world.ports[PUBLIC] = silent.getsockname()[1]

        assert code_of(world, policy=Policy(deadline_s=0.2)) == "outbound/timeout"


def test_redirects_share_one_deadline(world: World, serve: Serve) -> None:
    answers = itertools.chain([moved("/1"), moved("/2")])
    serve(lambda connection, _: connection.sendall(next(answers, b"")) or (connection.recv(1) and None))

    assert code_of(world, policy=Policy(redirects=3, deadline_s=0.4)) == "outbound/timeout"


@pytest.mark.parametrize(
    "piece",
    [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\na: b\r\n", b"x" * 65_536],
    ids=["continue", "headers of continue", "status line"],
)
def test_an_endless_head_is_not_read_to_its_end(world: World, serve: Serve, piece: bytes) -> None:
    host = serve(drip(piece))

    assert code_of(world) in ("outbound/too-large", "outbound/answer")
    assert host.gone.wait(10)


def endless(start: bytes, piece: bytes) -> Callable[[socket.socket, bytes], None]:
    def behave(connection: socket.socket, asked: bytes) -> None:
        connection.sendall(start)
        drip(piece)(connection, asked)

    return behave


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
        (b"HTTP/1.1 200 OK\r\na: ", b"b" * 8192),
        (head("connection: close"), b"x" * 8192),
        (head("transfer-encoding: chunked"), b"2000\r\n" + b"x" * 0x2000 + b"\r\n"),
        (head("transfer-encoding: chunked"), b"1\r\nx\r\n" * 1000),
        (head("transfer-encoding: chunked") + b"1;", b"x" * 8192),
        (head("transfer-encoding: chunked") + b"0\r\n", b"a: b\r\n" * 1000),
    ],
    ids=["headers", "header", "body", "chunks", "small chunks", "chunk extension", "trailers"],
)
def test_an_endless_answer_is_cut_off(world: World, serve: Serve, start: bytes, piece: bytes) -> None:
    host = serve(endless(start, piece))

    assert code_of(world) in ("outbound/too-large", "outbound/answer", "outbound/cut")
    assert host.gone.wait(10)


@pytest.mark.parametrize("framing", ["content-length: {}", "connection: close"])
def test_a_body_of_a_mebibyte_is_read_and_one_byte_more_is_not(world: World, serve: Serve, framing: str) -> None:
    answers = iter([head(framing.format(n)) + b"x" * n for n in (MIB, MIB + 1)])
    serve(lambda connection, _: connection.sendall(next(answers)))

    assert len(fetch(GET, network=world.network).body) == MIB
    assert code_of(world) == "outbound/too-large"


def test_sixty_four_headers_are_read_and_one_more_is_not(world: World, serve: Serve) -> None:
    answers = iter([head(*(f"h{i}: x" for i in range(n - 1)), "content-length: 0") for n in (64, 65)])
    serve(lambda connection, _: connection.sendall(next(answers)))

    assert fetch(GET, network=world.network).status == 200
    assert code_of(world) == "outbound/too-large"


def test_thirty_two_kibibytes_of_headers_are_read_and_one_byte_more_is_not(world: World, serve: Serve) -> None:
    def big(size: int) -> bytes:
        return head("a: " + "x" * (size - len("a" + "content-length" + "0") - 8), "content-length: 0")

    answers = iter([big(32_768), big(32_769)])
    serve(lambda connection, _: connection.sendall(next(answers)))

    assert fetch(GET, network=world.network).status == 200
    assert code_of(world) == "outbound/too-large"


WRONG = {
    "a length and chunks": head("content-length: 5", "transfer-encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n",
    "two lengths": head("content-length: 5", "content-length: 6") + b"hello!",
    "two equal lengths": head("content-length: 5", "content-length: 5") + b"hello",
    "a list of lengths": head("content-length: 5, 5") + b"hello",
    "a negative length": head("content-length: -5") + b"hello",
    "a signed length": head("content-length: +5") + b"hello",
    "a length in hexadecimal": head("content-length: 0x5") + b"hello",
    "a length of digits that are not ASCII": head("content-length: \xb2") + b"he",
    "an empty length": head("content-length: ") + b"hello",
    "another transfer coding": head("transfer-encoding: gzip") + b"hello",
    "two transfer codings": head("transfer-encoding: gzip, chunked") + b"0\r\n\r\n",
    "chunks twice": head("transfer-encoding: chunked", "transfer-encoding: chunked") + b"0\r\n\r\n",
    "a bomb": head("content-encoding: gzip", f"content-length: {len(gzip.compress(bytes(MIB * 20)))}")
    + gzip.compress(bytes(MIB * 20)),
    "deflate": head("content-encoding: deflate", "content-length: 0"),
    "brotli after identity": head("content-encoding: identity, br", "content-length: 0"),
    "two codings": head("content-encoding: identity", "content-encoding: gzip", "content-length: 0"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP 2": b"HTTP/2 200\r\n\r\n",
    "no status": b"HTTP/1.1 abc\r\n\r\n",
    "a status below 100": b"HTTP/1.1 099 x\r\n\r\n",
    "a status above 999": b"HTTP/1.1 1000 x\r\n\r\n",
    "switching protocols": head("upgrade: websocket", status="101 Switching"),
    "early hints": head("link: x", status="103 Hints"),
    "a folded header": b"HTTP/1.1 200 OK\r\na: b\r\n c\r\ncontent-length: 0\r\n\r\n",
    "a header without a colon": b"HTTP/1.1 200 OK\r\nnonsense\r\ncontent-length: 0\r\n\r\n",
    "a header name with a space": b"HTTP/1.1 200 OK\r\ncontent-length : 5\r\n\r\nhello",
    "a header value with a control character": b"HTTP/1.1 200 OK\r\na: b\x00c\r\ncontent-length: 0\r\n\r\n",
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG)
def test_an_answer_that_is_not_plain_http_is_not_read(world: World, serve: Serve, answer: bytes) -> None:
    serve(answer)

    assert code_of(world) == "outbound/answer"


CUT = {
    "nothing": b"",
    "half a body": head("content-length: 10") + b"hello",
    "no body": head("content-length: 10"),
    "half a chunk": head("transfer-encoding: chunked") + b"5\r\nhel",
    "no last chunk": head("transfer-encoding: chunked") + b"5\r\nhello\r\n",
    "a chunk of negative size": head("transfer-encoding: chunked") + b"-5\r\nhello\r\n0\r\n\r\n",
    "a chunk without size": head("transfer-encoding: chunked") + b"x\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("answer", CUT.values(), ids=CUT)
def test_an_answer_that_is_not_whole_is_none(world: World, serve: Serve, answer: bytes) -> None:
    serve(answer)

    assert code_of(world) in ("outbound/cut", "outbound/answer")


def test_an_answer_without_length_that_tls_does_not_end_may_be_cut_by_anybody(world: World, serve: Serve) -> None:
    def abort(connection: socket.socket, _: bytes) -> None:
        connection.sendall(head("connection: close") + b"half of it")
        connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError

    serve(abort)

    assert code_of(world) == "outbound/cut"


@pytest.mark.parametrize("answer", [*WRONG.values(), *CUT.values()], ids=[*WRONG, *CUT])
def test_a_post_that_may_have_been_read_does_not_say_that_nothing_happened(
    world: World, serve: Serve, answer: bytes
) -> None:
    serve(answer)

    with pytest.raises(Unavailable) as failed:
        fetch(POST, network=world.network)

    assert failed.value.money_moved == "unknown"


def test_a_post_that_was_never_sent_says_so(world: World) -> None:
    with pytest.raises(Unavailable) as failed:
        fetch(POST, network=world.network)

    assert (failed.value.code, failed.value.money_moved) == ("outbound/unreachable", "no")


def test_no_failure_shows_foreign_text(world: World, serve: Serve) -> None:
    for answer in (b"canary\r\n\r\n", head("content-length: canary"), moved("https://canary/"), head("a: canary\x00")):
        serve(answer)
        with pytest.raises(Failure) as failed:
            fetch(Outgoing("https://good.com/canary"), Policy(redirects=1), world.network)

        assert "canary" not in f"{failed.value} {failed.value.problem('one')} {failed.value.__cause__}"


MISUSES = [
    Outgoing("https://good.com/", "PUT"),  # type: ignore[arg-type]
    Outgoing("https://good.com/", body=b"x"),
    Outgoing("https://good.com/", "POST", body=b"x" * (MIB + 1)),
    Outgoing("https://good.com/", headers={"host": "x"}),
    Outgoing("https://good.com/", headers={"content-length": "1"}),
    Outgoing("https://good.com/", headers={"transfer-encoding": "chunked"}),
    Outgoing("https://good.com/", headers={"accept-encoding": "gzip"}),
    Outgoing("https://good.com/", headers={"authorization": "x"}),
    Outgoing("https://good.com/", headers={"cookie": "x"}),
    Outgoing("https://good.com/", headers={"Host": "x"}),
    Outgoing("https://good.com/", headers={"a b": "x"}),
    Outgoing("https://good.com/", headers={"": "x"}),
    Outgoing("https://good.com/", headers={"a": "x\r\nb: c"}),
    Outgoing("https://good.com/", headers={"a": "\u2028"}),
    Outgoing("https://good.com/", headers={"a": "x" * 16_385}),
    Outgoing("https://good.com/", credentials={"a": SecretStr("x\n")}),
    Outgoing("https://good.com/", credentials={"host": SecretStr("x")}),
]


@pytest.mark.parametrize("outgoing", MISUSES)
def test_a_call_that_would_not_mean_what_it_says_is_a_defect(world: World, outgoing: Outgoing) -> None:
    with pytest.raises(Defect) as failed:
        fetch(outgoing, network=world.network)

    assert (failed.value.code, world.resolved) == ("outbound/misused", [])


@pytest.mark.parametrize("field", [{"redirects": 4}, {"deadline_s": 5.1}, {"max_answer_bytes": MIB + 1}])
def test_a_policy_cannot_ask_for_more_than_the_limits(field: dict[str, int]) -> None:
    with pytest.raises(Defect):
        Policy(**field)  # type: ignore[arg-type]


def test_a_resolver_that_fails_or_hangs_is_not_the_caller_s_fault(world: World) -> None:
    for error, code in ((OSError(), "outbound/unreachable"), (TimeoutError(), "outbound/timeout")):

        def broken(host: str, port: int, timeout_s: float, error: OSError = error) -> tuple[str, ...]:
            raise error

        with pytest.raises(Unavailable) as failed:
            fetch(GET, network=Network(broken, world.connect, world.trust))
        assert failed.value.code == code


def test_the_real_resolver_and_connector_reach_this_machine() -> None:
    assert {"127.0.0.1", "::1"} & set(resolve("localhost", 443, 5))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        connect("127.0.0.1", port, 5).close()
    with pytest.raises(ConnectionRefusedError):
        connect("127.0.0.1", port, 5)


def test_a_name_that_cannot_exist_has_no_addresses() -> None:
    with pytest.raises(Invalid):
        fetch(GET, network=Network(resolve=lambda *_: ()))


class LookedUp:
    """The system's resolver, as a test wants it."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[object, ...]] = []
        self.hang, self.over = threading.Event(), threading.Event()

    def __call__(self, *asked: object, type: int) -> list[tuple[object, ...]]:  # noqa: A002 - getaddrinfo's name
        self.asked.append((*asked, type))
        answer = self.answers.pop(0)
        if answer is self.hang:
            self.hang.wait(10)
            self.over.set()
            return []
        if isinstance(answer, Exception):
            raise answer
        return [(socket.AF_INET, type, 6, "", (address, 443)) for address in str(answer).split()]


def test_a_name_is_looked_up_whole_and_each_address_is_given_once() -> None:
    looked_up = LookedUp("1.1.1.1 8.8.8.8 1.1.1.1", "127.0.0.1")

    assert resolve("good.com", 443, 5, looked_up) == ("1.1.1.1", "8.8.8.8")
    assert resolve("localhost", 80, 5, looked_up) == ("127.0.0.1",)
    assert looked_up.asked == [("good.com.", 443, socket.SOCK_STREAM), ("localhost", 80, socket.SOCK_STREAM)]


def test_a_name_that_does_not_exist_differs_from_a_resolver_that_fails() -> None:
    failures = [socket.gaierror(code, "") for code in (socket.EAI_NONAME, socket.EAI_NODATA)]

    assert [resolve("good.com", 443, 5, LookedUp(one)) for one in failures] == [(), ()]
    for failing in (socket.gaierror(socket.EAI_AGAIN, "broken"), OSError(5, "broken")):
        with pytest.raises(OSError, match="broken") as failed:
            resolve("good.com", 443, 5, LookedUp(failing))
        assert failed.value is failing


def test_only_sixteen_lookups_hang_at_once_and_each_ends_in_time_for_its_caller() -> None:
    hanging = [LookedUp() for _ in range(MAX_LOOKUPS)]
    for one in hanging:
        one.answers.append(one.hang)
        with pytest.raises(TimeoutError):
            resolve("good.com", 443, 0.01, one)
    untried = LookedUp("1.1.1.1")

    with pytest.raises(TimeoutError):
        resolve("good.com", 443, 5, untried)

    assert (MAX_LOOKUPS, untried.asked) == (16, [])
    for one in hanging:
        one.hang.set()
        assert one.over.wait(10)


def test_a_lookup_that_ended_makes_room_for_another() -> None:
    looked_up = LookedUp(*["1.1.1.1"] * (2 * MAX_LOOKUPS))

    for _ in range(2 * MAX_LOOKUPS):
        _eventually(lambda: resolve("good.com", 443, 5, looked_up))


def _eventually(ask: Callable[[], object]) -> None:
    """Ask again until there is room: the slot of a lookup is given back just after its answer."""
    while True:
        try:
            ask()
        except TimeoutError:
            continue
        return
