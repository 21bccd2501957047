"""Calls of operations on the small world: one caller, its requests over HTTPS, and the ports behind them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from isthmus import wiring
from isthmus.access.caller import Caller
from isthmus.fields import MAX_MSAT
from isthmus.operation import Operation
from isthmus.ports import BitcoinNode, Clock, Deployment, Table
from tests.callers import authorizer
from tests.faults.node import ModelNode
from tests.faults.world import MemoryTable, World
from tests.readable import check_readable

OWNER = "did:key:zOwner"
ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


@dataclass
class SmallWorld:
    """A store and a node on which nothing goes wrong, and a clock that a test sets."""

    ms: int = 1_800_000_000_000
    world: World = field(default_factory=lambda: World({}, calm=True))

    def __post_init__(self) -> None:
        self.table = MemoryTable(self.world)
        self.node = ModelNode(self.world, {"c" * 63 + "1:0": 80_000, "c" * 63 + "2:0": 90_000})

    def now_ms(self) -> int:
        return self.ms

    def owner(self, tenant: str = "main") -> Caller:
        """An owner with a fresh proof."""
        return Caller("did", OWNER, "owner", tenant, ("*",), self.ms, MAX_MSAT)

    def call(
        self, operation: Operation, fields: Mapping[str, Any], *, caller: Caller | None = None, **headers: str
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status, body and headers of one request over HTTPS."""
        path = {name: str(value) for name, value in fields.items() if f"{{{name}}}" in str(operation.path)}
        rest = {name: value for name, value in fields.items() if name not in path}
        event: dict[str, Any] = {
            "headers": {"content-type": "application/json", **{n.replace("_", "-"): v for n, v in headers.items()}},
            "pathParameters": path,
            "requestContext": {
                "requestId": "one",
                "http": {"method": operation.method, "path": operation.path},
                "authorizer": authorizer(caller or self.owner()),
            },
        }
        if operation.method in ("GET", "DELETE"):
            event["queryStringParameters"] = {name: str(value) for name, value in rest.items()}
        else:
            event["body"] = json.dumps(rest)
        answer = operation(event, None)
        body = json.loads(answer["body"])
        if "next_step" in body:
            check_readable(body)
        return answer["statusCode"], body, answer["headers"]


@contextmanager
def small_world() -> Iterator[SmallWorld]:
    """The small world behind the ports."""
    made = SmallWorld()
    ports = {Table: made.table, BitcoinNode: made.node, Clock: made, Deployment: Deployment(OWNER)}
    with wiring.replaced(ports):
        yield made
