"""One call to a foreign host, with its redirects, under a policy."""

import re
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from http.client import HTTPException, HTTPMessage, IncompleteRead
from itertools import zip_longest
from time import monotonic
from typing import Literal
from urllib.parse import urljoin

from pydantic import SecretStr

from isthmus.outbound.addresses import Address
from isthmus.outbound.exchange import TooLargeError, exchange
from isthmus.outbound.network import Network
from isthmus.outbound.policy import Policy, lost, misused, refused
from isthmus.outbound.target import Target, checked, target_of

MAX_BODY_BYTES = 1024 * 1024
MAX_ADDRESSES_TRIED = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})

_NAME = re.compile(r"[a-z0-9\-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")
_OURS = frozenset(
    {
        *("host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "expect"),
        *("accept-encoding", "user-agent"),
    }
)
_SECRET = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True)
class Outgoing:
    """A request to a foreign host: lower-case header names; what proves who we are goes into `credentials`.

    Credentials and headers other than `accept` are never sent to another origin than that of `url`.
    """

    url: str = field(repr=False)
    method: Literal["GET", "POST"] = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, SecretStr] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Answer:
    """What the host answered, whatever its status says; the caller checks the type and never shows the body."""

    status: int
    media_type: str
    body: bytes = field(repr=False)


def fetch(outgoing: Outgoing, policy: Policy | None = None, network: Network | None = None) -> Answer:
    """Call a foreign host once; only a GET follows redirects, and only as many as the policy says.

    Raises:
        Invalid: `outbound/refused`, the policy does not allow this address or one that it redirects to.
        Unavailable: `outbound/...`, no whole answer within the limits; `money_moved` is "unknown" for a POST that may
            have been read.
        Defect: `outbound/misused`, the calling code sends what it must not.
    """
    policy, network = policy or Policy(), network or Network()
    _check(outgoing)
    left = _deadline(policy.deadline_s)
    target = target_of(outgoing.url, policy)
    for _ in range(policy.redirects + 1):
        status, headers, body = _asked(outgoing, target, policy, network, left)
        if status not in REDIRECTS:
            return Answer(status, headers.get_content_type() if "content-type" in headers else "", body)
        if outgoing.method != "GET":
            break
        following = _following(target, headers, policy)
        if following.origin != target.origin:
            kept = {name: value for name, value in outgoing.headers.items() if name == "accept"}
            outgoing = replace(outgoing, headers=kept, credentials={})
        target = following
    raise lost("redirect", acted=outgoing.method == "POST")


def _check(outgoing: Outgoing) -> None:
    """Refuse what would change the meaning of the message, or carry a secret where it is not kept as one."""
    plain = {**outgoing.headers, **{name: one.get_secret_value() for name, one in outgoing.credentials.items()}}
    if outgoing.method not in ("GET", "POST") or (outgoing.body and outgoing.method == "GET"):
        raise misused("An outbound call is neither a GET nor a POST.")
    if len(outgoing.body) > MAX_BODY_BYTES or sum(map(len, plain.values())) > MAX_BODY_BYTES // 64:
        raise misused("An outbound call sends more than its limit.")
    if _OURS & plain.keys() or _SECRET & outgoing.headers.keys():
        raise misused("An outbound call sets a header that is not its to set.")
    if not all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in plain.items()):
        raise misused("An outbound call has a header that is not plain text.")


def _deadline(seconds: float) -> Callable[[], float]:
    end = monotonic() + seconds

    def left() -> float:
        if (now := monotonic()) >= end:
            raise TimeoutError
        return end - now

    return left


def _following(target: Target, headers: HTTPMessage, policy: Policy) -> Target:
    """Where a redirect leads, checked like any other address; never from https to http."""
    places = headers.get_all("location", [])
    if len(places) != 1 or not places[0].isascii() or not places[0].isprintable():
        raise lost("answer")
    try:
        url = urljoin(f"{target.scheme}://{target.authority}{target.path}", places[0])
    except ValueError:
        raise refused() from None
    following = target_of(url, policy)
    if target.scheme == "https" and following.scheme != "https":
        raise refused()
    return following


def _asked(
    outgoing: Outgoing, target: Target, policy: Policy, network: Network, left: Callable[[], float]
) -> tuple[int, HTTPMessage, bytes]:
    """One request to one address; the system's and the other side's texts end here."""
    acted = False
    try:
        with closing(_connected(target, policy, network, left)) as connection:
            acted = outgoing.method == "POST"
            return exchange(connection, left, target, _message(outgoing), policy.max_answer_bytes)
    except TimeoutError:
        raise lost("timeout", acted=acted) from None
    except TooLargeError:
        raise lost("too-large", acted=acted) from None
    except (OSError, EOFError, IncompleteRead):
        raise lost("cut", acted=acted) from None
    except (HTTPException, ValueError):
        raise lost("answer", acted=acted) from None


def _connected(target: Target, policy: Policy, network: Network, left: Callable[[], float]) -> socket.socket:
    """A socket to one of the addresses that were checked, with TLS for the name."""
    connection = _dialled(target, policy, network, left)
    if target.scheme == "http":
        return connection
    try:
        connection.settimeout(left())
        return network.trust().wrap_socket(connection, server_hostname=target.host, suppress_ragged_eofs=False)
    except ssl.SSLError:
        raise lost("tls") from None
    finally:
        connection.close()  # wrapping took the descriptor out of it; when it did not get that far, nobody needs it


def _dialled(target: Target, policy: Policy, network: Network, left: Callable[[], float]) -> socket.socket:
    try:
        found = (str(target.address),) if target.address else network.resolve(target.host, target.port, left())
    except TimeoutError:
        raise  # it is an OSError too, but says more
    except OSError:
        raise lost("unreachable") from None
    tried = _alternating(checked(found, target, policy))[:MAX_ADDRESSES_TRIED]
    for number, address in enumerate(tried):
        try:
            return network.connect(str(address), target.port, left() / (len(tried) - number))
        except OSError:
            left()
    raise lost("unreachable")


def _alternating(addresses: tuple[Address, ...]) -> list[Address]:
    """The resolver's order, but with IPv6 and IPv4 taking turns (RFC 8305 section 4): one of them may lead nowhere."""
    first = [one for one in addresses if one.version == addresses[0].version]
    others = [one for one in addresses if one.version != addresses[0].version]
    return [one for pair in zip_longest(first, others) for one in pair if one is not None]


def _message(outgoing: Outgoing) -> tuple[str, dict[str, str], bytes]:
    own = {"connection": "close", "accept-encoding": "identity", "user-agent": "isthmus"}
    if outgoing.method == "POST":
        own["content-length"] = str(len(outgoing.body))
    secrets = {name: value.get_secret_value() for name, value in outgoing.credentials.items()}
    return outgoing.method, {**own, **outgoing.headers, **secrets}, outgoing.body
