"""The HTTP API on loopback, with API Gateway's semantics: an ASGI application between uvicorn and the host."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, MutableMapping
from typing import Any

import orjson

from infra.local.events import (
    BadAnswerError,
    HttpRequest,
    HttpResponse,
    authorized,
    authorizer_event,
    event,
    response,
)
from infra.local.expand import Route
from infra.local.loopback import read_body, refusal, send_response
from infra.local.outcome import Outcome
from infra.local.routes import matcher
from isthmus.failure import Defect, Failure, Forbidden, NotFound, TooLarge, Unavailable

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

MAX_BODY_BYTES = 10 * 1024 * 1024
INTEGRATION_TIMEOUT_S = 30.0
AUTHORIZER_TIMEOUT_S = 10.0
_LIMIT_ERRORS = {"Lambda.TooManyRequestsException", "Lambda.ServiceException"}
_MESSAGES = {
    403: "Forbidden",
    404: "Not Found",
    413: "Request Entity Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def gateway(
    routes: Iterable[Route],
    invoke: Callable[[str, bytes], Awaitable[Outcome]],
    *,
    timeout_s: float = INTEGRATION_TIMEOUT_S,
    authorizer_timeout_s: float = AUTHORIZER_TIMEOUT_S,
) -> App:
    """The ASGI application that serves `routes` by invoking their functions, and before these their authorizers.

    Its own errors are RFC 9457 documents with API Gateway's `message` as one more member.
    """
    match = matcher(tuple(routes))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request_id = str(uuid.uuid4())
        try:
            answer = await handle(scope, receive, request_id)
        except Failure as failure:
            answer = _refusal(failure, request_id)
        answer.headers.append((b"apigw-requestid", request_id.encode()))
        await send_response(send, answer)

    async def handle(scope: Scope, receive: Receive, request_id: str) -> HttpResponse:
        if failure := refusal(scope["headers"], scope["server"][1]):
            raise failure
        found = match(scope["method"], scope["path"])
        if found is None:
            raise NotFound("The API has no such route.", next_step="See the OpenAPI document for the routes it has.")
        request = HttpRequest(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers=scope["headers"],
            body=await read_body(receive, scope["headers"], MAX_BODY_BYTES),
            protocol=scope["http_version"],
            client=(scope.get("client") or ("127.0.0.1",))[0],
        )
        asked = event(request, found, request_id)
        if found.route.authorizer is not None:
            asked["requestContext"]["authorizer"] = {"lambda": await authorize(found.route.authorizer, asked)}
        try:
            async with asyncio.timeout(timeout_s):
                outcome = await invoke(found.route.function, orjson.dumps(asked))
        except TimeoutError as error:
            raise Unavailable(
                f"The function did not answer within {timeout_s:g} seconds and may still be running.",
                next_step="Ask later whether it took effect before you repeat the request.",
                money_moved="unknown",
            ) from error
        return _answer(outcome)

    async def authorize(function: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(authorizer_timeout_s):
                outcome = await invoke(function, orjson.dumps(authorizer_event(asked)))
        except TimeoutError as error:
            raise _no_authorizer(f"did not answer within {authorizer_timeout_s:g} seconds") from error
        return _context(outcome)

    return app


def _context(outcome: Outcome) -> dict[str, Any]:
    """What the authorizer says of the caller.

    Raises:
        Forbidden: it does not let the request pass.
        Unavailable: too many invocations wait, or the runtime is stopping.
        Defect: it failed, or its answer is no simple response.
    """
    if outcome.error in _LIMIT_ERRORS:
        raise _no_room()
    if outcome.error is not None:
        raise _no_authorizer(f"ended with {outcome.error}")
    try:
        context = authorized(outcome.payload)
    except BadAnswerError as error:
        raise _no_authorizer("gave an answer that is no simple response") from error
    if context is None:
        raise Forbidden("The authorizer does not let the request pass.", next_step="Call with another identity.")
    return context


def _no_authorizer(what: str) -> Defect:
    return Defect(f"The authorizer {what}.", next_step="Read what it printed: `isthmus logs --function authorize`.")


def _no_room() -> Unavailable:
    return Unavailable("No function can take the request now.", next_step="Repeat it a little later.")


def _answer(outcome: Outcome) -> HttpResponse:
    """The response to what came of the invocation.

    Raises:
        TooLarge: the event is over Lambda's limit.
        Unavailable: too many invocations wait, or the runtime is stopping.
        Defect: the function failed, or its answer is no response.
    """
    if outcome.error == "Lambda.RequestTooLargeException":
        raise TooLarge("The request is larger than a function may get.", next_step="Split it or send less at once.")
    if outcome.error in _LIMIT_ERRORS:
        raise _no_room()
    if outcome.error is None:
        try:
            return response(outcome.payload)
        except BadAnswerError:
            pass
    raise Defect(
        f"The function ended with {outcome.error or 'an answer that is no HTTP response'}.",
        next_step="Read what it printed: `isthmus logs`.",
        money_moved="unknown",
    )


def _refusal(failure: Failure, request_id: str) -> HttpResponse:
    document = failure.problem(request_id) | {"message": _MESSAGES.get(failure.status, failure.title)}
    return HttpResponse(failure.status, [(b"content-type", b"application/problem+json")], orjson.dumps(document))
