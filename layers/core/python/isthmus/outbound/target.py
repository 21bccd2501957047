"""From a URL to a host, a port and a path: only the plainest form of each is read, so that all read it alike."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from isthmus.outbound.addresses import Address, is_public
from isthmus.outbound.policy import Policy, refused

MAX_URL_CHARACTERS = 2048
MAX_NAME_CHARACTERS = 253
DEFAULT_PORTS = {"http": 80, "https": 443}

_URL = re.compile(r"(https?)://([A-Za-z0-9.\-]+|\[[0-9a-f:]+\])(?::([1-9][0-9]{0,4}))?(/[^?]*)?(\?.*)?")
_SAFE = re.compile(r"""[!$%&'()*+,\-./0-9:;=?@A-Z_a-z~\[\]]+""")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?")
_TOP_LABEL = re.compile(r"[a-z]{2,63}|xn--[a-z0-9\-]{1,58}[a-z0-9]")
_LOCAL = frozenset(
    {
        *("alt", "arpa", "corp", "example", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain"),
        *("localhost", "mail", "onion", "private", "test"),
    }
)
"""Last labels of names that the public DNS does not have: RFC 6761, 6762, 7686, 9476, and what networks use inside."""


@dataclass(frozen=True)
class Target:
    """Where a request goes: a lower-case name, or a literal address in `address`."""

    scheme: str
    host: str
    port: int
    path: str
    address: Address | None

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: credentials never leave them."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """What the Host header says (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if isinstance(self.address, IPv6Address) else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def target_of(url: str, policy: Policy) -> Target:
    """Read a URL (RFC 3986) without user, fragment, escapes in the host, or any second way to write the same host.

    Raises:
        Invalid: the policy does not allow it, or it is not in the plainest form.
    """
    scheme, colon, rest = url.partition(":")
    if len(url) > MAX_URL_CHARACTERS or not _SAFE.fullmatch(url):
        raise refused()
    parts = _URL.fullmatch(scheme.lower() + colon + rest)
    if parts is None:
        raise refused()
    host = parts[2].lower()
    port = int(parts[3] or DEFAULT_PORTS[parts[1]])
    if port not in policy.ports or (parts[1] == "http" and not policy.http):
        raise refused()
    address = _literal(host)
    if not (_is_public_name(host) if address is None else is_public(address)) and not _is_loopback(host, policy):
        raise refused()
    return Target(parts[1], host.strip("[]"), port, (parts[4] or "/") + (parts[5] or ""), address)


def checked(answers: tuple[str, ...], target: Target, policy: Policy) -> tuple[Address, ...]:
    """The addresses of a target's name, in the resolver's order.

    Raises:
        Invalid: there are none, or one of them is not public.
    """
    try:
        addresses = tuple(ip_address(answer) for answer in answers)
    except ValueError:
        raise refused() from None
    local = _is_loopback(target.host, policy)
    if not addresses or not all(one.is_loopback if local else is_public(one) for one in addresses):
        raise refused()
    return addresses


def _literal(host: str) -> Address | None:
    """The address that a host spells in its canonical form, or None for what can only be a name."""
    try:
        if host.startswith("["):
            address: Address = IPv6Address(host[1:-1])
            spelt = f"[{address}]"
        else:
            address = IPv4Address(host)
            spelt = str(address)
    except ValueError:
        return None
    return address if spelt == host else None


def _is_public_name(host: str) -> bool:
    """Whether a host is a name with a top-level domain; numbers in any notation have none."""
    labels = host.split(".")
    plain = len(host) <= MAX_NAME_CHARACTERS and all(_LABEL.fullmatch(label) for label in labels)
    return plain and len(labels) > 1 and bool(_TOP_LABEL.fullmatch(labels[-1])) and labels[-1] not in _LOCAL


def _is_loopback(host: str, policy: Policy) -> bool:
    return policy.loopback and host.strip("[]") in ("localhost", "127.0.0.1", "::1")
