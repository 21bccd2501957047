"""The last step: an answer or an RFC 9457 problem document, as the channel wants it, and one log line per call."""

from pathlib import PurePath
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

import orjson

from isthmus.access.refusal import to_refusal
from isthmus.failure import Failure
from isthmus.fields import Response
from isthmus.headers import HEADERS
from isthmus.log import logger
from isthmus.request import Channel

if TYPE_CHECKING:
    from isthmus.operation import Operation

MAX_CAUSES = 5
MAX_FRAMES = 12

CHALLENGE = 'DPoP algs="ES256 ES256K EdDSA", Bearer'
"""What `www-authenticate` of a 401 asks for (RFC 9110 section 11.6.1)."""


def answer(channel: Channel, status: int, response: Response, instance: str) -> Any:
    """HTTP API v2 gets a status, headers and a body; a state machine gets the fields."""
    if channel is Channel.AUTHORIZER:
        return {"isAuthorized": True, "context": response.model_dump(mode="json", exclude_none=True)}
    if channel is not Channel.HTTP:
        return response.model_dump(mode="json")
    return _http(status, "application/json", response.model_dump_json(), instance)


def refuse(channel: Channel, failure: Failure, instance: str) -> Any:
    """HTTP gets a problem document; a state machine gets the exception, so that Retry and Catch can name its class.

    The authorizer lets every request pass with what it found out: a gateway's own refusal says neither why nor what to
    do, so it is the operation that refuses, in its authentication step.
    """
    if channel is Channel.AUTHORIZER:
        return {"isAuthorized": True, "context": {"refused": to_refusal(failure)}}
    if channel is not Channel.HTTP:
        raise failure from None  # its cause may quote the request, and the runtime would print it
    response = _http(
        failure.status, "application/problem+json", orjson.dumps(failure.problem(instance)).decode(), instance
    )
    if failure.status == 401:
        response["headers"]["www-authenticate"] = CHALLENGE
    if failure.retry_after_ms is not None:
        response["headers"]["retry-after"] = str(-(-failure.retry_after_ms // 1000))
    if failure.location:
        response["headers"]["location"] = failure.location
    return response


def _http(status: int, media_type: str, body: str, instance: str) -> dict[str, Any]:
    headers = {"content-type": media_type, "x-request-id": instance, **HEADERS}
    return {"statusCode": status, "headers": headers, "body": body}


def log(operation: "Operation", channel: Channel, instance: str, elapsed_ns: int, failure: Failure | None) -> None:
    """One structured line: what ran, how it was reached, how it ended, how long it took; never a request's fields."""
    fields: dict[str, Any] = {
        "operation": f"{operation.domain}.{operation.name}",
        "channel": channel.value,
        "instance": instance,
        "elapsed_us": elapsed_ns // 1000,
    }
    if failure is None:
        logger().info("done", **fields)
        return
    fields |= {"kind": failure.kind, "code": failure.code, "severity": failure.severity, "group": failure.group}
    if failure.upstream:
        fields["upstream"] = {"system": failure.upstream.system, "code": failure.upstream.code}
    line = logger().error if failure.status >= 500 else logger().warning
    if failure.kind == "defect":
        fields["causes"] = _causes(failure)
    line("refused", **fields)


def _causes(failure: Failure) -> list[dict[str, Any]]:
    """What a defect comes from: types and places of the exceptions behind it, never their texts."""
    causes: list[dict[str, Any]] = []
    cause = failure.__cause__
    while cause is not None and len(causes) < MAX_CAUSES:
        frames = walk_tb(cause.__traceback__)
        at = [f"{PurePath(frame.f_code.co_filename).name}:{line} {frame.f_code.co_name}" for frame, line in frames]
        causes.append({"type": type(cause).__qualname__, "at": at[-MAX_FRAMES:]})
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return causes
