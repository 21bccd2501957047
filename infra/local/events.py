"""HTTP requests as API Gateway's events, and what functions return as HTTP responses: payload format 2.0, exactly.

Reference: API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs". Where the service differs
from its guide (measured by others, for example in aws-lambda-dotnet's test tool), the service counts: `rawPath` is
decoded, `rawQueryString` is not, and an answer without `statusCode` is passed on as it is.
"""

import base64
import binascii
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

import orjson

from infra.local.intrinsics import ACCOUNT, REGION
from infra.local.routes import Match

API_ID = "local"
_TEXT_TYPES = {"application/json", "application/javascript", "application/xml", ""}
_HOP_BY_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"content-length", b"te", b"trailer"}


@dataclass(frozen=True)
class HttpRequest:
    """One request as the server read it; header names are lower-case, the path is decoded."""

    method: str
    path: str
    query: str
    headers: Iterable[tuple[bytes, bytes]]
    body: bytes
    protocol: str = "1.1"
    client: str = "127.0.0.1"


@dataclass(frozen=True)
class HttpResponse:
    """One response; the length is the server's business."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class BadAnswerError(Exception):
    """The function's answer is not a response that API Gateway understands."""


def event(request: HttpRequest, match: Match, request_id: str, now: float | None = None) -> dict[str, Any]:
    """The event of payload format 2.0 that a route's function gets."""
    made = _described(request, match, request_id, time.time() if now is None else now)
    made["isBase64Encoded"] = False
    if request.body:
        made["body"], made["isBase64Encoded"] = _body(request.body, made["headers"].get("content-type", ""))
    return made


def authorizer_event(of_route: Mapping[str, Any]) -> dict[str, Any]:
    """What a route's authorizer is asked: the route's event without the body, with the ARN of what is called.

    Reference: API Gateway Developer Guide, "Control access to HTTP APIs with AWS Lambda authorizers", format 2.0.
    """
    context = of_route["requestContext"]
    called = f"{API_ID}/{context['stage']}/{context['http']['method']}{context['http']['path']}"
    asked = {name: value for name, value in of_route.items() if name not in ("body", "isBase64Encoded")}
    asked["type"] = "REQUEST"
    asked["routeArn"] = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{called}"
    asked["identitySource"] = None
    return asked


def authorized(payload: bytes) -> dict[str, Any] | None:
    """The context in an authorizer's simple response, or None when it lets the request not pass.

    Raises:
        BadAnswerError: it is no simple response.
    """
    answer = orjson.loads(payload)
    if not isinstance(answer, dict) or not isinstance(answer.get("isAuthorized"), bool):
        raise BadAnswerError
    context = answer.get("context") or {}
    if not isinstance(context, dict):
        raise BadAnswerError
    return context if answer["isAuthorized"] else None


def _described(request: HttpRequest, match: Match, request_id: str, now: float) -> dict[str, Any]:
    """What the events of a route's function and of its authorizer have in common."""
    headers, cookies = _headers(request)
    headers["x-amzn-trace-id"] = f"Root=1-{int(now):08x}-{request_id.replace('-', '')[:24]}"
    route = match.route
    key = "$default" if route.path == "$default" else f"{route.method} {route.path}"
    host, _ = _host(headers)
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": key,
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API_ID,
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": f"HTTP/{request.protocol}",
                "sourceIp": request.client,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": key,
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
    }
    if cookies:
        made["cookies"] = cookies
    if request.query:
        made["queryStringParameters"] = _query(request.query)
    if match.parameters:
        made["pathParameters"] = dict(match.parameters)
    return made


def response(payload: bytes) -> HttpResponse:
    """What the caller gets for a function's answer.

    Raises:
        BadAnswerError: it has a `statusCode`, but is no response all the same.
    """
    answer = orjson.loads(payload)
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return HttpResponse(200, [(b"content-type", b"application/json")], payload)
    try:
        status, body = int(answer["statusCode"]), answer.get("body") or ""
        if not 200 <= status <= 599 or not isinstance(body, str):
            raise BadAnswerError
        headers = [
            (name.lower().encode("latin-1"), _text(value).encode("latin-1"))
            for name, value in (answer.get("headers") or {}).items()
        ]
        headers += [(b"set-cookie", cookie.encode("latin-1")) for cookie in answer.get("cookies") or []]
        content = base64.b64decode(body, validate=True) if answer.get("isBase64Encoded") else body.encode()
    except (TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise BadAnswerError from error
    headers = [pair for pair in headers if pair[0] not in _HOP_BY_HOP]
    if all(name != b"content-type" for name, _ in headers):
        headers.append((b"content-type", b"text/plain;charset=UTF-8"))
    return HttpResponse(status, headers, content)


def scheduled(source: str, arn: str, run_id: str, due: float) -> dict[str, Any]:
    """The event that EventBridge sends when a schedule is due; the Scheduler's `detail` really is a string."""
    return {
        "version": "0",
        "id": run_id,
        "detail-type": "Scheduled Event",
        "source": source,
        "account": ACCOUNT,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(due)),
        "region": REGION,
        "resources": [arn],
        "detail": "{}" if source == "aws.scheduler" else {},
    }


def _headers(request: HttpRequest) -> tuple[dict[str, str], list[str]]:
    """Lower-case names, repeated ones joined by commas, cookies apart; and what the gateway adds."""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for raw_name, raw_value in request.headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name == "cookie":
            cookies += [cookie.strip() for cookie in value.split(";") if cookie.strip()]
        else:
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    headers.setdefault("content-length", str(len(request.body)))
    headers["x-forwarded-for"] = request.client
    headers["x-forwarded-proto"] = "http"
    headers["x-forwarded-port"] = _host(headers)[1]
    return headers, cookies


def _host(headers: Mapping[str, str]) -> tuple[str, str]:
    """The host's name and port."""
    host = headers.get("host", "")
    name, _, port = host.rpartition(":")
    return (name, port) if port.isdigit() else (host, "80")


def _query(raw: str) -> dict[str, str]:
    """Decoded parameters, repeated ones joined by commas."""
    found: dict[str, str] = {}
    for pair in raw.split("&"):
        if not pair:
            continue
        raw_name, _, raw_value = pair.partition("=")
        name, value = unquote_plus(raw_name), unquote_plus(raw_value)
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _body(body: bytes, content_type: str) -> tuple[str, bool]:
    """The body as text, or in base64 when its type, or its bytes, are not text."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in _TEXT_TYPES or media_type.startswith("text/") or media_type.endswith(("+json", "+xml")):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def _text(value: Any) -> str:
    """A header's value: numbers and booleans become what JSON calls them."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
