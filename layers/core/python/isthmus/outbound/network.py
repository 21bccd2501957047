"""Names to addresses, addresses to sockets, sockets to TLS: what a test replaces, and the real thing."""

import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Thread
from typing import Any

MAX_LOOKUPS = 16
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
_lookups = BoundedSemaphore(MAX_LOOKUPS)


LookUp = Callable[..., Sequence[tuple[Any, ...]]]


def resolve(host: str, port: int, timeout_s: float, look_up: LookUp = socket.getaddrinfo) -> tuple[str, ...]:
    """All addresses of a name, none when there is no such name.

    The system's resolver knows no time limit, so it is asked in a thread that is left alone when time is up. The dot
    keeps the name out of the search domains and the hosts file of this machine.

    Raises:
        TimeoutError: no answer within `timeout_s` seconds, or too many lookups hang already.
        OSError: the resolver does not work now.
    """
    if not _lookups.acquire(blocking=False):
        raise TimeoutError
    found: SimpleQueue[tuple[str, ...] | OSError] = SimpleQueue()
    name = host if host == "localhost" else host + "."
    Thread(target=_look_up, args=(look_up, name, port, found), name="outbound-lookup", daemon=True).start()
    try:
        answer = found.get(timeout=timeout_s)
    except Empty:
        raise TimeoutError from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _look_up(look_up: LookUp, name: str, port: int, found: "SimpleQueue[tuple[str, ...] | OSError]") -> None:
    try:
        infos = look_up(name, port, type=socket.SOCK_STREAM)
        found.put(tuple(dict.fromkeys(str(info[4][0]) for info in infos)))
    except socket.gaierror as error:
        found.put(() if error.errno in _NO_SUCH_NAME else error)
    except OSError as error:
        found.put(error)
    finally:
        _lookups.release()


def connect(address: str, port: int, timeout_s: float) -> socket.socket:
    """A TCP connection to a literal address; nothing is resolved.

    Raises:
        OSError: there is none within `timeout_s` seconds.
    """
    connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    with ExitStack() as undo:
        undo.callback(connection.close)
        connection.settimeout(timeout_s)
        connection.connect((address, port))
        undo.pop_all()
    return connection


@cache
def trust() -> ssl.SSLContext:
    """The system's certificate authorities, names checked, TLS 1.2 or newer."""
    context = ssl.create_default_context()
    context.hostname_checks_common_name = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


@dataclass(frozen=True)
class Network:
    """The three things that touch the network; their arguments are as in `resolve`, `connect` and `trust`."""

    resolve: Callable[[str, int, float], tuple[str, ...]] = resolve
    connect: Callable[[str, int, float], socket.socket] = connect
    trust: Callable[[], ssl.SSLContext] = trust
