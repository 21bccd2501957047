"""What a caller allows itself, and how calls to foreign hosts fail; no failure says what was behind an address."""

from dataclasses import dataclass
from typing import Literal

from isthmus.failure import Defect, Failure, Invalid, Unavailable

MAX_ANSWER_BYTES = 1024 * 1024
MAX_REDIRECTS = 3
DEADLINE_S = 5.0

Reason = Literal["unreachable", "tls", "timeout", "cut", "answer", "too-large", "redirect"]

_DETAILS: dict[Reason, tuple[str, str]] = {
    "unreachable": ("The foreign host cannot be reached.", "Check that it is up, then repeat."),
    "tls": ("The foreign host's certificate does not vouch for its name.", "Tell its owner, then repeat."),
    "timeout": ("The foreign host did not answer in time.", "Repeat a little later."),
    "cut": ("The foreign host ended the connection before its answer was whole.", "Repeat a little later."),
    "answer": ("The foreign host's answer is not plain HTTP/1.1.", "Tell its owner: uncompressed, one length."),
    "too-large": ("The foreign host's answer is larger than Isthmus reads.", "Tell its owner, or ask for less."),
    "redirect": ("The foreign host sent us elsewhere, and we do not go.", "Use the address where it really is."),
}


@dataclass(frozen=True)
class Policy:
    """Which hosts may be called, and how much time and space a call gets.

    `http` also allows plain http; `loopback` also allows `localhost`, 127.0.0.1 and [::1] by these names, for
    development. Ports count for everything. Time and space can only be less than the limits.
    """

    ports: frozenset[int] = frozenset({443})
    http: bool = False
    loopback: bool = False
    redirects: int = 0
    deadline_s: float = DEADLINE_S
    max_answer_bytes: int = MAX_ANSWER_BYTES

    def __post_init__(self) -> None:
        within = self.redirects <= MAX_REDIRECTS and self.deadline_s <= DEADLINE_S
        if not within or self.max_answer_bytes > MAX_ANSWER_BYTES:
            raise misused("A policy asks for more than the limits of outbound calls.")


def refused() -> Failure:
    """The one refusal of an address, whether its form, its name, its port or what it resolves to is at fault."""
    return Invalid(
        "The address is not one that Isthmus calls.",
        next_step="Use https, the name of a public host in its plain form, and the usual port.",
        code="outbound/refused",
    )


def lost(reason: Reason, *, acted: bool = False) -> Failure:
    """No usable answer; `acted` when a request that may have an effect may have been read."""
    detail, next_step = _DETAILS[reason]
    if acted:
        next_step = "Look whether the request took effect before you repeat it."
    return Unavailable(detail, next_step=next_step, code=f"outbound/{reason}", money_moved="unknown" if acted else "no")


def misused(detail: str) -> Failure:
    """A mistake of the calling code."""
    return Defect(detail, next_step="Report it with the instance id.", code="outbound/misused")
