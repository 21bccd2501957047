"""Which retrier or catcher an error belongs to, and how long to wait: https://states-language.net/spec.html#errors.

States.Runtime always ends an execution, whatever a definition says; States.ALL and States.TaskFailed do not match
States.DataLimitExceeded, and States.TaskFailed does not match States.Timeout
(https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html).
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from infra.local.states.errors import ALL, DATA_LIMIT_EXCEEDED, RUNTIME, TASK_FAILED, TIMEOUT
from infra.local.states.fields import MAX_DELAY_SECONDS

DEFAULT_ATTEMPTS = 3


def handler_of(handlers: Sequence[Mapping[str, Any]], error: str) -> int | None:
    """The index of the first retrier or catcher that matches an error name, or None."""
    for number, handler in enumerate(handlers):
        if _matches(handler["ErrorEquals"], error):
            return number
    return None


def delay_s(retrier: Mapping[str, Any], done: int) -> float:
    """How long to wait before the next attempt, when `done` retries were made already."""
    limit: float = retrier.get("MaxDelaySeconds", MAX_DELAY_SECONDS)
    try:
        delay = min(retrier.get("IntervalSeconds", 1) * float(retrier.get("BackoffRate", 2)) ** done, limit)
    except OverflowError:
        delay = limit
    return random.SystemRandom().uniform(0, delay) if retrier.get("JitterStrategy") == "FULL" else delay


def _matches(names: Sequence[str], error: str) -> bool:
    if error == RUNTIME:
        return False
    if error in names:
        return True
    if error == DATA_LIMIT_EXCEEDED:
        return False
    return ALL in names or (TASK_FAILED in names and error != TIMEOUT)
