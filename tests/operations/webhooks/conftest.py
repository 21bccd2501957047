"""A deployment whose events are sent to a real HTTP server on this machine."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Thread
from typing import Any

import pytest

from functions.webhooks.create_endpoint import create_endpoint
from functions.webhooks.deliver import deliver
from functions.webhooks.list_deliveries import list_deliveries
from isthmus import feed, journal, wiring
from isthmus.access import principals
from isthmus.access.caller import Caller
from isthmus.access.principals import Principal
from isthmus.fields import MAX_MSAT
from isthmus.journal import START, Lifecycle
from isthmus.operation import Operation
from isthmus.outbound.door import Door
from isthmus.ports import Clock, Deployment, Outbound, Table
from isthmus.request import Channel
from isthmus.storage.adapters.sqlite import SqliteTable
from tests.security.samples import event

SCHEDULED = {"source": "aws.scheduler", "resources": ["deliver"], "detail": {}}
DOOR = Lifecycle("door", {(START, "built"): "shut", ("shut", "opened"): "open", ("open", "closed"): "shut"})
HUSH = "hush-nobody-sees-this"


@dataclass
class Received:
    """One request as it came."""

    headers: dict[str, str]
    body: bytes
    at_s: float = field(default_factory=time.time)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told

    def signed_with(self, secret: str) -> bool:
        """The specification, read a second time: any of the signatures, over id, timestamp and body."""
        marker, _, encoded = secret.partition("_")
        assert marker == "whsec"
        content = b".".join([self.id.encode(), self.headers["webhook-timestamp"].encode(), self.body])
        expected = hmac.new(base64.b64decode(encoded), content, hashlib.sha256).digest()
        offered = [one.split(",", 1) for one in self.headers["webhook-signature"].split(" ")]
        return any(v == "v1" and hmac.compare_digest(base64.b64decode(one), expected) for v, one in offered)


@dataclass
class Receiver:
    """Whoever wants to be called: what it got, and what it answers."""

    url: str = ""
    status: int = 200
    location: str = ""
    got: list[Received] = field(default_factory=list)
    more: Condition = field(default_factory=Condition)

    def take(self, one: Received) -> None:
        with self.more:
            self.got.append(one)
            self.more.notify_all()

    def wait_for(self, number: int, within_s: float) -> list[Received]:
        """What it got, as soon as these are so many."""
        with self.more:
            assert self.more.wait_for(lambda: len(self.got) >= number, within_s), f"only {len(self.got)} came"
            return list(self.got)


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name is http.server's
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.take(Received({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(receiver.status)
            if receiver.location:
                self.send_header("location", receiver.location)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Site:
    """The stores, the time, and people of two tenants."""

    def __init__(self, folder: Path) -> None:
        self.ms = 1_800_000_000_000
        self.table = SqliteTable(folder / "table.sqlite", now_s=lambda: self.ms // 1000)
        for did in ("did:key:zStranger", "did:key:zLeaver"):
            self.join(did, "other" if did == "did:key:zStranger" else "main")

    def join(self, did: str, tenant: str) -> None:
        """Let somebody in."""
        who = Principal(did, "owner", tenant, ("*",), 0, 0, 0, self.ms, "did:key:zOwner")
        self.table.put(principals.PARTITION, did, vars(who) | {"scopes": list(who.scopes)})

    def leave(self, did: str) -> None:
        """Let somebody in no more."""
        self.table.delete(principals.PARTITION, did)

    def now_ms(self) -> int:
        return self.ms

    def owner(self, tenant: str = "main") -> Caller:
        return Caller("did", "did:key:zOwner", "owner", tenant, ("*",), self.ms, MAX_MSAT)

    def call(self, operation: Operation, fields: dict[str, Any], who: Caller | None = None) -> tuple[int, Any]:
        answer = operation(event(Channel.HTTP, operation, who or self.owner(), fields), None)
        return answer["statusCode"], json.loads(answer["body"])

    def happen(self, name: str = "house/door/front", tenant: str = "main") -> str:
        """One more event, moved into the feed; its hash."""
        head = journal.load(self.table, name)
        following = {"": "built", "shut": "opened", "open": "closed"}[head.state if head else ""]
        data = {"wood": "oak", "payload": HUSH, "cost_msat": 2**60} | ({} if head else {"tenant": tenant})
        change = journal.draft(DOOR, head or journal.fresh(name), following, data, now_ms=self.ms, by="ada")
        journal.apply(self.table, change)
        feed.relay(self.table, lambda: True)
        return change.event.hash

    def deliver(self) -> dict[str, int]:
        """One start of the schedule."""
        done: dict[str, int] = deliver(SCHEDULED, None)
        return done

    def endpoint(self, receiver: Receiver, *topics: str, who: Caller | None = None) -> dict[str, Any]:
        status, made = self.call(create_endpoint, {"url": receiver.url, "topics": list(topics)}, who)
        assert status == 201
        found: dict[str, Any] = made
        return found

    def deliveries(self, endpoint: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
        """What became of an endpoint's deliveries, the newest first."""
        found: list[dict[str, Any]] = self.call(list_deliveries, {"endpoint_id": endpoint["endpoint_id"], **more})[1][
            "deliveries"
        ]
        return found

    def stranger(self) -> Caller:
        return replace(self.owner("other"), id="did:key:zStranger")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    with wiring.replaced(
        {
            Table: made.table,
            Clock: made,
            Outbound: Door.to_this_machine_too(),
            Deployment: Deployment("did:key:zOwner"),
        }
    ):
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def second() -> Iterator[Receiver]:
    """Another one."""
    with receiving() as one:
        yield one
