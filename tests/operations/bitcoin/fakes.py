"""A node at the port, as each test wants it, and the event of a GET."""

from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.failure import Failure, NotFound, Unavailable
from tests.callers import OWNER

HASH = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
TXID = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"


class FakeNode:
    """Answers each method with a value, a failure to raise, or what a function of the parameters says."""

    def __init__(self, **replies: Any) -> None:
        self.replies = replies
        self.asked: list[tuple[Any, ...]] = []

    def call(self, method: str, *params: Any, deadline_s: float = 20.0) -> Any:
        self.asked.append((method, *params))
        reply = self.replies[method]
        answer = reply(*params) if callable(reply) else reply
        if isinstance(answer, Failure):
            raise answer
        return answer

    def batch(self, method: str, params: Sequence[tuple[Any, ...]]) -> list[Any]:
        return [self.call(method, *one) for one in params]

    def raw_block(self, block_hash: str) -> bytes:
        raise NotImplementedError

    def spent_outputs(self, block_hash: str) -> bytes:
        raise NotImplementedError


def not_found(code: str = "bitcoin/no-block") -> NotFound:
    return NotFound("It is not there.", next_step="Look elsewhere.", code=code)


def unavailable(code: str) -> Unavailable:
    return Unavailable("Nobody answers.", next_step="Repeat.", code=code)


def get(query: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What API Gateway sends for a GET with this query, from somebody it knows."""
    return {
        "requestContext": {
            "requestId": "one",
            "http": {"method": "GET"},
            "authorizer": OWNER,
        },
        "queryStringParameters": dict(query or {}),
    }
