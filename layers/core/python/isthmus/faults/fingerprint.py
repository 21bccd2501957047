"""Which failures have one cause: a versioned fingerprint of where a failure arose, without what was asked."""

import re
from collections.abc import Iterator
from hashlib import sha256

from isthmus.failure import Failure

VERSION = "v1"
MAX_CHAIN = 10
MAX_FRAMES = 5
_IN_APP = ("isthmus.", "functions.")

_TOKENS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("<url>", re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)),
    ("<did>", re.compile(r"\bdid:[a-z0-9]+:[\w.:%-]+")),
    ("<uuid>", re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)),
    (
        "<ip>",
        re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|(?<![\w:])(?:[0-9a-f]{0,4}:){3,7}[0-9a-f]{0,4}(?![\w:])"),
    ),
    ("<invoice>", re.compile(r"\b(?:lnbc|lntb|lnbcrt|lntbs|lno1|lni1|lnr1)[0-9a-z]{20,}\b", re.IGNORECASE)),
    (
        "<address>",
        re.compile(r"\b(?:(?:bc|tb|bcrt)1[0-9a-z]{20,}|[123mn][1-9A-HJ-NP-Za-km-z]{25,39}|S[PTMN][0-9A-Z]{30,})\b"),
    ),
    ("<hash>", re.compile(r"\b(?:0x)?[0-9a-f]{16,}\b", re.IGNORECASE)),
    ("<id>", re.compile(r"\b(?=\w*\d)\w{20,}\b")),
    ("<number>", re.compile(r"-?\b\d+(?:\.\d+)?\b")),
)


def fingerprint(operation: str, failure: Failure) -> str:
    """The group of a failure: `v1:` and 64 hexadecimal digits.

    It is made of the operation, the kind, the neighbour and its code, the types of the chain of causes, and the
    innermost five of our own functions on the stack, without line numbers, so that an edit beside them changes
    nothing. A failure without a stack is known by its sentence instead, with everything variable replaced.
    """
    chain = list(causes(failure))
    frames = [frame for error in chain for frame in _frames(error)][-MAX_FRAMES:]
    upstream = f"{failure.upstream.system} {failure.upstream.code}" if failure.upstream else ""
    where = frames or [normalised(failure.detail)]
    types = [f"{type(error).__module__}.{type(error).__qualname__}" for error in chain]
    parts = (operation, failure.kind, upstream, *types, "", *where)
    digest = sha256("\n".join(parts).encode(errors="replace")).hexdigest()
    return f"{VERSION}:{digest}"


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what caused it, what caused that, and so on to the root, ten at most."""
    current: BaseException | None = error
    for _ in range(MAX_CHAIN):
        if current is None:
            return
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def normalised(text: str) -> str:
    """The text with everything variable replaced by what it is.

    >>> normalised("Block 840000 of 10.0.0.7:8332 is not 0000000000000000000320283a032748cef82278.")
    'Block <number> of <ip> is not <hash>.'
    """
    for token, pattern in _TOKENS:
        text = pattern.sub(token, text)
    return text


def _frames(error: BaseException) -> Iterator[str]:
    """Our own functions on the stack of one error, outermost first."""
    trace = error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if module.startswith(_IN_APP):
            yield f"{module}:{trace.tb_frame.f_code.co_qualname}"
        trace = trace.tb_next
