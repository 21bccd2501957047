"""What comes of an invocation, in the words Lambda uses.

Reference: AWS Lambda Developer Guide, "Understanding retry behavior" and the errors of the Invoke API.
"""

import signal
from dataclasses import dataclass
from typing import Any

import orjson

from infra.local.runtime_api import MAX_PAYLOAD_BYTES


@dataclass(frozen=True)
class Outcome:
    """The payload as JSON; `error` is the name a state machine's Retry and Catch would match, None for success."""

    payload: bytes
    error: str | None = None


def succeeded(payload: bytes) -> Outcome:
    """The handler returned."""
    return Outcome(payload)


def raised(payload: bytes) -> Outcome:
    """The handler raised, or could not be loaded; the payload is the runtime's own description."""
    try:
        kind = orjson.loads(payload).get("errorType")
    except (orjson.JSONDecodeError, AttributeError):
        kind = None
    return Outcome(payload, str(kind or "Lambda.Unknown"))


def timed_out(request_id: str, timeout_s: float) -> Outcome:
    """The handler was still running at its time limit, and was ended."""
    return _failed("Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after {timeout_s:.2f} seconds")


def exited(request_id: str, status: int) -> Outcome:
    """The worker ended while it had an invocation; the status is negative for a signal."""
    how = f"signal: {str(signal.strsignal(-status)).lower()}" if status < 0 else f"exit status {status}"
    what = f"Runtime exited with error: {how}" if status else "Runtime exited without providing a reason"
    return _failed("Runtime.ExitError", f"RequestId: {request_id} Error: {what}")


def too_large_request() -> Outcome:
    """The payload is over Lambda's limit for synchronous invocations."""
    return _failed(
        "Lambda.RequestTooLargeException",
        f"Request must be smaller than {MAX_PAYLOAD_BYTES} bytes for the InvokeFunction operation",
    )


def too_large_response() -> Outcome:
    """The handler returned more than Lambda's limit for synchronous invocations."""
    return _failed(
        "Function.ResponseSizeTooLarge",
        f"Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD_BYTES} bytes).",
    )


def throttled() -> Outcome:
    """Too many invocations wait already."""
    return _failed("Lambda.TooManyRequestsException", "Rate Exceeded.")


def stopping(request_id: str) -> Outcome:
    """The host is being closed."""
    return _failed("Lambda.ServiceException", f"RequestId: {request_id} Error: The runtime is stopping.")


def _failed(kind: str, message: str) -> Outcome:
    fields: dict[str, Any] = {"errorType": kind, "errorMessage": message}
    return Outcome(orjson.dumps(fields), kind)
