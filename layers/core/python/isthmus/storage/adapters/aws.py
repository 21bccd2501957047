"""What the adapters of AWS services share: how patient their clients are, and what their errors mean to us."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from isthmus.failure import Defect, Failure, NotFound, Upstream
from isthmus.quiet import quiet
from isthmus.storage.refusals import conflict, unavailable

CONTENDED = "TransactionConflict"
"""The code of Unavailable when another transaction has the item at this moment, and nothing was done."""

_REFUSED = {"ConditionalCheckFailedException", "PreconditionFailed", "ConditionalRequestConflict"}
_MISSING = {"NoSuchKey", "404"}
_OUR_MISTAKE = {
    "ValidationException",
    "SerializationException",
    "IdempotentParameterMismatchException",
    "InvalidArgument",
    "InvalidRequest",
    "KeyTooLongError",
    "EntityTooLarge",
}


def client(service: str, *, read_timeout_s: float) -> Any:
    """The one client of an adapter: three attempts, short enough for API Gateway's 29 s together."""
    import boto3
    from botocore.config import Config

    quiet()
    retries: Any = {"total_max_attempts": 3, "mode": "standard"}
    config = Config(connect_timeout=2, read_timeout=read_timeout_s, retries=retries, max_pool_connections=32)
    make: Any = boto3.client
    return make(service, config=config)


@contextmanager
def asking(system: str) -> Iterator[None]:
    """Turn what boto3 raises into our failures.

    Raises:
        Conflict: a condition did not hold and nothing was changed.
        NotFound: S3 has no such object.
        Unavailable: no answer, or none that can be relied on; `upstream` has the service's code.
        Defect: the service finds our request wrong.
    """
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

    try:
        yield
    except ClientError as error:
        raise _failure(system, error.response) from error
    except ParamValidationError as error:
        raise _mistake(system, "ParamValidation") from error
    except BotoCoreError as error:
        raise unavailable(system, type(error).__name__) from error


def _failure(system: str, response: Any) -> Failure:
    code = str(response["Error"]["Code"])
    if code == "TransactionCanceledException":
        return _cancelled(system, response)
    if code in _REFUSED:
        # An earlier attempt whose answer was lost may be what the condition now fails on; only the caller can tell.
        retried = response["ResponseMetadata"].get("RetryAttempts", 0) > 0
        return unavailable(system, code) if retried else conflict()
    if code in _MISSING:
        return NotFound("There is no such object.", next_step="Check its key.", code="storage/object")
    if code == "TransactionConflictException":
        return unavailable(system, CONTENDED)
    return _mistake(system, code) if code in _OUR_MISTAKE else unavailable(system, code)


def _cancelled(system: str, response: Any) -> Failure:
    """Why a transaction was cancelled; the client's request token makes this sure even after a retry."""
    codes = {str(reason.get("Code")) for reason in response.get("CancellationReasons", ())} - {"None"}
    if "ConditionalCheckFailed" in codes:
        return conflict()
    if codes & {"ValidationError", "ItemCollectionSizeLimitExceeded"}:
        return _mistake(system, "TransactionCanceledException")
    return unavailable(system, min(codes, default="TransactionCanceledException"))


def _mistake(system: str, code: str) -> Defect:
    return Defect(
        "The store finds our request wrong.",
        next_step="Report it with the code; nothing was changed.",
        code="storage/request",
        upstream=Upstream(system, code),
    )
