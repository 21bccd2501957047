"""What came of an effect on the world: succeeded, refused, pending or unknown; and what a connector can do.

The rule that survives every fault is the content-addressed effect: the identity on which the protocol itself dedupes
(a txid, a payment_hash, a nonce) is persisted before anything is sent; only the same identity is ever sent again; and
only a definite refusal is a failure. That a neighbour has never heard of an identity is no refusal: what was sent to it
may still arrive.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

from isthmus.storage.table import Item


@dataclass(frozen=True)
class Prepared:
    """An effect that can be sent, as often as needed, without happening twice.

    Args:
        identity: what the protocol dedupes on, such as the txid.
        payload: what is sent, such as the signed transaction in hexadecimal.
        max_msat: the most it spends, fees included, in millisatoshi.
        leases: the names of what no other effect may use meanwhile: outpoints, a nonce.
        detail: what the caller may see of it, without floats.
        replaces: the id of a payment that succeeded, and whose place this one takes when it succeeds.
    """

    identity: str
    payload: str
    max_msat: int
    leases: tuple[str, ...] = ()
    detail: Item = field(default_factory=dict)
    replaces: str = ""


@dataclass(frozen=True)
class Succeeded:
    """It happened, and cost this much."""

    spent_msat: int
    detail: Item = field(default_factory=dict)


@dataclass(frozen=True)
class Refused:
    """A no from the neighbour.

    `for_good` says that it cannot happen any more under this identity, whoever sends it: an input is spent elsewhere in
    a block, a nonce is used. Without it the no is definite for the one time it was sent and answered only; an earlier
    copy whose answer was lost may still arrive and be accepted.
    """

    kind: str
    code: str
    reason: str
    next_step: str
    for_good: bool
    system: str = ""
    upstream_code: str = ""


@dataclass(frozen=True)
class Pending:
    """The neighbour has it, and does not know yet."""

    detail: Item = field(default_factory=dict)


@dataclass(frozen=True)
class Unknown:
    """No answer, or none that is definite; `seen` is False when the neighbour says it has never heard of it."""

    code: str
    seen: bool | None = None


Outcome = Succeeded | Refused | Pending | Unknown


class Connector(Protocol):
    """One way to spend. Whatever is lost on the way to the neighbour or back is an Outcome, never an exception."""

    def prepare(self, request: Any) -> Prepared:
        """Everything up to the point where it could be sent; changes nothing anywhere.

        Raises:
            Conflict: what was chosen was taken by somebody else meanwhile; prepared again it will choose otherwise.
            Failure: it cannot be done, or nobody answered; nothing has happened.
        """

    def send(self, prepared: Prepared) -> Outcome:
        """Send it, or send it again."""

    def look_up(self, prepared: Prepared) -> Outcome:
        """What the neighbour knows of it; changes nothing."""
