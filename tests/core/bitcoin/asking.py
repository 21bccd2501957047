"""A node that answers each method as a test says, and remembers who asked for what."""

from typing import Any

from isthmus.bitcoin import codes
from isthmus.failure import Failure


class Node:
    """Says for each method a value, raises a failure, or gives what a function of the parameters gives.

    `asked` has the wallet, the method and the parameters of every call; a method without an answer is an error.
    """

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[Any, ...]] = []

    def call(self, method: str, *params: Any, deadline_s: float = 20.0, wallet: str = "") -> Any:
        self.asked.append((wallet, method, *params))
        answer = self.answers[method]
        value = answer(*params) if callable(answer) else answer
        if isinstance(value, Failure):
            raise value
        return value

    def methods(self) -> list[str]:
        return [one[1] for one in self.asked]


def no(method: str, code: int) -> Failure:
    """What a node's error code is."""
    return codes.of_rpc(method, code)


def lost(method: str) -> Failure:
    """An answer that never came."""
    return codes.of_transport(method, "timeout", sent=True)


ABSENT = no("gettransaction", -5)
"""The node's answer to the question for what it does not know."""
