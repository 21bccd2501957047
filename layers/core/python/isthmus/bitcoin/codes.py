"""What a Bitcoin node's error codes mean: from Bitcoin Core's src/rpc/protocol.h and HTTP to failures.

The node's text is never read: the code decides, and where one code means two things, the method that was called. The
tables stand in `isthmus.bitcoin.meanings`.
"""

from isthmus.bitcoin.meanings import BY_METHOD, HTTP, RPC, TRANSPORT, Meaning
from isthmus.bitcoin.methods import HARMLESS
from isthmus.failure import (
    Defect,
    Failure,
    Integrity,
    Invalid,
    Precondition,
    Unavailable,
    Unknown,
    Unsupported,
    Upstream,
)

UNDECIDED = frozenset({-1, -4, -7, -20, -32603})
"""Codes after which a method that is not a read may or may not have had its effect."""

INVALID_ADDRESS_OR_KEY = -5

TIMEOUT = f"bitcoin/{TRANSPORT['timeout'].code}"
"""The code of a call that was not answered in time."""

_DO_NOT_TRUST = "Do not use this node before you know why; compare it with another one."

PRUNED = Meaning(
    Precondition,
    "pruned",
    "The node has pruned this block.",
    "Ask a node that keeps the whole chain, or a later block.",
)

NOT_A_HASH = Meaning(
    Invalid,
    "block-hash",
    "A block hash is 64 lower-case hexadecimal digits.",
    "Correct the block hash.",
)

UNDOCUMENTED = Meaning(
    Unavailable,
    "undocumented",
    "The node's answer is not of the form that Bitcoin Core documents.",
    "Use Bitcoin Core 25 or newer, or report the node's version.",
)

WRONG_BLOCK = Meaning(
    Integrity,
    "wrong-block",
    "The node answered with another block than the one asked for.",
    _DO_NOT_TRUST,
)

WRONG_TRANSACTION = Meaning(
    Integrity,
    "wrong-transaction",
    "The node answered with another transaction than the one asked for.",
    _DO_NOT_TRUST,
)

NO_PREVOUTS = Meaning(
    Unsupported,
    "no-spent-outputs",
    "The node cannot say which outputs the block spends.",
    "Use Bitcoin Core 25 or newer with its undo data, or one that offers REST spenttxouts.",
)

UNMAPPED = Meaning(
    Defect,
    "unmapped",
    "The node answered with a code that Isthmus does not know.",
    "Report the code under `upstream` with the node's version.",
)


def failure(meaning: Meaning, upstream: int | str | None = None, *, undecided: bool = False) -> Failure:
    """The failure of one meaning; Unknown when an effect may have happened all the same."""
    kind = Unknown if undecided else meaning.kind
    return kind(
        meaning.detail,
        next_step="Look the effect up before you repeat." if undecided else meaning.next_step,
        code=f"bitcoin/{meaning.code}",
        errors=() if meaning.field is None else (meaning.field,),
        upstream=None if upstream is None else Upstream("bitcoin", upstream),
        retry_after_ms=meaning.retry_after_ms,
        severity=None if undecided else meaning.severity,
    )


def of_rpc(method: str, code: int) -> Failure:
    """The failure of a JSON-RPC error."""
    meaning = BY_METHOD.get((method, code)) or RPC.get(code, UNMAPPED)
    return failure(meaning, code, undecided=method not in HARMLESS and (meaning is UNMAPPED or code in UNDECIDED))


def of_http(method: str, status: int) -> Failure:
    """The failure of an HTTP status without a JSON-RPC body; only a node that broke down may have done something."""
    meaning = HTTP.get(status, TRANSPORT["nonsense"])
    return failure(
        meaning, f"http-{status}", undecided=method not in HARMLESS and status not in (400, 401, 403, 404, 503)
    )


def of_transport(method: str, reason: str, *, sent: bool) -> Failure:
    """The failure of a call whose answer never came; `sent` when the node may have read the request."""
    return failure(TRANSPORT[reason], undecided=sent and method not in HARMLESS)
