"""The control API: what workers and the command line ask of the runtime, on a loopback port of its own.

A subset of AWS Step Functions' and EventBridge's JSON protocols and Lambda's Invoke, enough for boto3's clients and the
library's ports; `/invoke/<function>`, `/status` and `/stop` for the command line. Every request carries the runtime's
token, as the access key of its AWS signature or as a bearer token.
"""

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import orjson

from infra.local.event_bus import EventBus
from infra.local.events import HttpResponse
from infra.local.gateway import App, Receive, Scope, Send
from infra.local.loopback import read_body, refusal, send_response
from infra.local.outcome import Outcome
from infra.local.step_functions import AwsError, StepFunctions
from isthmus.failure import Failure, Limited, Malformed, NotFound, Unauthenticated

MAX_BODY_BYTES = 8 * 1024 * 1024
_CREDENTIAL = re.compile(rb"Credential=([^/,\s]+)/")
_LAMBDA_ERRORS: Mapping[type[Failure], bytes] = {
    NotFound: b"ResourceNotFoundException",
    Malformed: b"InvalidRequestContentException",
    Limited: b"TooManyRequestsException",
    Unauthenticated: b"UnrecognizedClientException",
}
_AWS_JSON = (b"content-type", b"application/x-amz-json-1.0")


@dataclass(frozen=True)
class Controls:
    """What the control API may do."""

    token: str = field(repr=False)
    step_functions: StepFunctions
    event_bus: EventBus
    invoke: Callable[[str, bytes], Awaitable[Outcome]]
    start: Callable[[str, bytes], str]
    functions: Mapping[str, str]
    status: Callable[[], Mapping[str, Any]]
    stop: Callable[[], None]


def control(controls: Controls) -> App:
    """The ASGI application of the control API."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        target = headers.get(b"x-amz-target", b"").decode("latin-1")
        try:
            if failure := refusal(scope["headers"], scope["server"][1]):
                raise failure
            _authenticate(headers, controls.token)
            body = await read_body(receive, scope["headers"], MAX_BODY_BYTES)
            answer = await (_aws(controls, target, body) if target else _own(controls, scope, body))
        except AwsError as error:
            document = {"__type": error.name, "message": error.message}
            answer = HttpResponse(400, [_AWS_JSON], orjson.dumps(document))
        except Failure as refused:
            document = refused.problem("control") | {"__type": "AccessDeniedException", "message": refused.detail}
            media_type = _AWS_JSON if target else (b"content-type", b"application/problem+json")
            challenge = [(b"www-authenticate", b"Bearer")] if refused.status == 401 else []
            name = (b"x-amzn-errortype", _LAMBDA_ERRORS.get(type(refused), b"ServiceException"))
            answer = HttpResponse(refused.status, [media_type, name, *challenge], orjson.dumps(document))
        await send_response(send, answer)

    return app


def _authenticate(headers: Mapping[bytes, bytes], token: str) -> None:
    """Let pass whoever knows the token.

    Raises:
        Unauthenticated: the request does not carry it.
    """
    authorization = headers.get(b"authorization", b"")
    credential = _CREDENTIAL.search(authorization)
    given = credential[1] if credential else authorization.removeprefix(b"Bearer ")
    if not hmac.compare_digest(given, token.encode()):
        raise Unauthenticated(
            "The request does not carry the runtime's token.", next_step="Take it from runtime.json in the home folder."
        )


async def _aws(controls: Controls, target: str, body: bytes) -> HttpResponse:
    service, _, action = target.partition(".")
    if service not in ("AWSStepFunctions", "AWSEvents"):
        raise AwsError("UnknownOperationException", f"{service} is not part of the runtime on one machine.")
    try:
        parameters = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise AwsError("SerializationException", "The body is not JSON.") from error
    if not isinstance(parameters, dict):
        raise AwsError("SerializationException", "The body is not a JSON object.")
    if service == "AWSEvents":
        result: Mapping[str, Any] = controls.event_bus.act(action, parameters)
    else:
        result = await controls.step_functions.act(action, parameters)
    return HttpResponse(200, [_AWS_JSON], orjson.dumps(result))


async def _own(controls: Controls, scope: Scope, body: bytes) -> HttpResponse:
    match (scope["method"], unquote(scope["path"]).strip("/").split("/")):
        case ("GET", ["status"]):
            return _json(orjson.dumps(controls.status()))
        case ("POST", ["stop"]):
            controls.stop()
            return _json(b"{}")
        case ("POST", ["invoke", name]):
            return await _invoke(controls, name, body, waits=True)
        case ("POST", ["2015-03-31", "functions", name, "invocations"]):
            kind = dict(scope["headers"]).get(b"x-amz-invocation-type", b"RequestResponse")
            return await _invoke(controls, _unqualified(name), body, waits=kind != b"Event")
    raise NotFound("The control API has no such route.", next_step="Use GET /status, POST /invoke/<function> or /stop.")


def _unqualified(name: str) -> str:
    """A function's name from its name, its ARN, or one of them with a version."""
    parts = name.split(":")
    return parts[6] if parts[0] == "arn" and len(parts) > 6 else parts[0]


async def _invoke(controls: Controls, name: str, body: bytes, *, waits: bool) -> HttpResponse:
    """Lambda's Invoke: an error of the function is an answer with a header that says so."""
    function = controls.functions.get(name)
    if function is None:
        raise NotFound(f"There is no function named {name}.", next_step="See `isthmus status` for the functions.")
    try:
        orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise Malformed("The payload is not JSON.", next_step="Send a JSON document.") from error
    if not waits:
        return HttpResponse(202, [(b"x-amzn-requestid", controls.start(function, body or b"{}").encode())], b"")
    outcome = await controls.invoke(function, body or b"{}")
    answer = _json(outcome.payload)
    if outcome.error is not None:
        answer.headers.append((b"x-amz-function-error", b"Unhandled"))
    return answer


def _json(body: bytes) -> HttpResponse:
    return HttpResponse(200, [(b"content-type", b"application/json")], body)
