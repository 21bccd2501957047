"""Execution with recovery: breakers between an operation and its neighbours, and a read's bounded repetition.

Repetition happens here and nowhere else on our side of a neighbour: state machines and schedules repeat by themselves,
AWS's clients do so for the stores, and a breaker that is open is not knocked at.
"""

import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from isthmus.failure import Failure, Unavailable
from isthmus.faults.breaker import BRAKE, Event
from isthmus.faults.gate import Gate, gate
from isthmus.log import logger
from isthmus.request import Channel

if TYPE_CHECKING:
    from stamina.instrumentation import RetryDetails

    from isthmus.operation import Operation

TRIES = 3
WITHIN_S = 10.0
LONGEST_TRY_S = 25.0
"""What one try may take: the routes' own deadline for their neighbours."""

MARGIN_S = 1.0
FIRST_WAIT_S, LONGEST_WAIT_S, JITTER_S = 0.1, 1.0, 0.4

PRESENT = frozenset(
    {
        "bitcoin/warming-up",
        "bitcoin/node-busy",
        "bitcoin/scan-running",
        "bitcoin/rescanning",
        "bitcoin/oversize",
        "bitcoin/undocumented",
    }
)
"""Unavailable, but no outage: who says this is there."""

T = TypeVar("T")


def run(operation: "Operation", channel: Channel, ports: Mapping[str, Any], call: Callable[..., T]) -> T:
    """The function's answer; a port whose breaker is open refuses without asking its neighbour.

    Raises:
        Failure: the function's last one, or why nothing may be spent at the moment.
    """
    neighbours, door = operation.neighbours, gate() if operation.guarded else None
    if door is not None and operation.effect.value == "spend":
        refusal = door.ask(BRAKE + operation.domain, "")
        if refusal is not None:
            raise refusal
    if not neighbours:
        return call(**ports)
    read = operation.effect.value == "read" and channel is Channel.HTTP
    left_s = min(WITHIN_S, operation.timeout_s - LONGEST_TRY_S - MARGIN_S) if read else 0.0
    names = set(neighbours.values())

    def tried(**given: Any) -> T:
        return repeated(lambda: call(**given), names, left_s)

    return tried(**ports) if door is None else _through(door, neighbours, ports, tried)


def _through(door: Gate, neighbours: Mapping[str, str], ports: Mapping[str, Any], call: Callable[..., T]) -> T:
    """Ask the breakers before, and tell them after."""
    who = door.who()
    refusals = {name: door.ask(name, who) for name in set(neighbours.values())}
    given = dict(ports)
    for parameter, name in neighbours.items():
        if (refusal := refusals[name]) is not None:
            given[parameter] = _Refusing(refusal)
    failed: Failure | None = None
    answered = False
    try:
        answer = call(**given)
        answered = True
    except Failure as failure:
        failed = failure
        raise
    finally:
        for name, refused in refusals.items():
            if refused is None:
                door.tell(name, "answer" if answered else heard(failed, name), who)
    return answer


def heard(failure: Failure | None, neighbour: str) -> Event:
    """What a failure says of a neighbour: it did not answer, it did, or this was about something else."""
    if failure is None or not _of(failure, neighbour):
        return "nothing"
    if isinstance(failure, Unavailable) and failure.code not in PRESENT:
        return "outage"
    return "nothing" if failure.upstream is None and failure.code not in PRESENT else "answer"


def repeated(call: Callable[[], T], neighbours: Collection[str], left_s: float) -> T:
    """The call's answer, in up to three tries; the last one is begun within `left_s` seconds.

    Raises:
        Failure: the last try's.
    """
    deadline = time.monotonic() + left_s
    try:
        return call()
    except Unavailable as failure:
        first = failure
        if left_s <= 0 or not _worth(first, neighbours, deadline):
            raise
    import stamina

    stamina.instrumentation.set_on_retry_hooks((_say,))
    tries = stamina.retry_context(
        on=lambda error: _wait(error, neighbours, deadline),
        attempts=TRIES,
        timeout=left_s,
        wait_initial=FIRST_WAIT_S,
        wait_max=LONGEST_WAIT_S,
        wait_jitter=JITTER_S,
    )
    for attempt in tries:
        with attempt:
            if attempt.num == 1:
                raise first
            return call()
    raise first


def _wait(error: Exception, neighbours: Collection[str], deadline: float) -> bool | float:
    """Whether another try makes sense, or in how many seconds."""
    if not (isinstance(error, Unavailable) and _worth(error, neighbours, deadline)):
        return False
    return True if error.retry_after_ms is None else error.retry_after_ms / 1000


def _worth(failure: Unavailable, neighbours: Collection[str], deadline: float) -> bool:
    if not any(_of(failure, name) for name in neighbours):
        return False
    if failure.retry_after_ms is None:
        return failure.code not in PRESENT
    return time.monotonic() + failure.retry_after_ms / 1000 <= deadline


def _of(failure: Failure, neighbour: str) -> bool:
    """Whether it is the neighbour's: it named its code, or its port's adapter speaks of it."""
    return failure.code.startswith(neighbour + "/") or (
        failure.upstream is not None and failure.upstream.system == neighbour
    )


def _say(details: "RetryDetails") -> None:
    """One line for each repetition, without the arguments and the text that the library would show."""
    known = details.caused_by
    code = known.code if isinstance(known, Failure) else ""
    logger().info("repeating", code=code, after_ms=round(details.wait_for * 1000), attempt=details.retry_num)


class _Refusing:
    """A port behind an open breaker: whatever it is asked, it says so."""

    def __init__(self, failure: Failure) -> None:
        self._failure = failure

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def refuse(*_arguments: Any, **_named: Any) -> Any:
            raise self._failure.with_traceback(None)

        return refuse
