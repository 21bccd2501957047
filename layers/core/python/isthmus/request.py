"""The first step: read an event, within limits, into an operation's request model."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError

from isthmus.content_digest import matches
from isthmus.failure import FieldError, Invalid, Malformed, TooLarge, WrongMediaType
from isthmus.fields import FromHeader, Request

MAX_BODY_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_FIELD_ERRORS = 20

ORIGIN = ":origin"
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?")

R = TypeVar("R", bound=Request)


class Channel(Enum):
    """How an event reached us."""

    HTTP = "http"
    TASK = "task"
    SCHEDULE = "schedule"
    STREAM = "stream"
    AUTHORIZER = "authorizer"
    LETTER = "letter"


def channel_of(event: Mapping[str, Any]) -> Channel:
    """By what each service's events carry; what no service's event looks like is a task."""
    if event.get("type") == "REQUEST" and "routeArn" in event:
        return Channel.AUTHORIZER
    if "requestPayload" in event and isinstance(event.get("requestContext"), Mapping):
        return Channel.LETTER
    if isinstance(event.get("requestContext"), Mapping):
        return Channel.HTTP
    if event.get("source") in ("aws.events", "aws.scheduler"):
        return Channel.SCHEDULE
    records = event.get("Records")
    if isinstance(records, list) and records and all(_streamed(one) for one in records):
        return Channel.STREAM
    return Channel.TASK


def _streamed(record: Any) -> bool:
    return isinstance(record, Mapping) and record.get("eventSource") == "aws:dynamodb"


def origin(headers: Mapping[str, str]) -> str:
    """The scheme and authority that a request was sent to, as API Gateway hands them on; it passes only its own hosts.

    Raises:
        Malformed: there is no such host.
    """
    found = f"{headers.get('x-forwarded-proto', 'https')}://{headers.get('host', '')}".lower()
    if not _ORIGIN.fullmatch(found):
        raise Malformed("The request says not which host it is for.", next_step="Send one `host` header.")
    return found


def parse(model: type[R], path: str | None, channel: Channel, event: Mapping[str, Any]) -> R:
    """The request in an event: query and path of a GET, JSON body of everything else, `request` of a task.

    Raises:
        Malformed: the body is not JSON, not UTF-8, not what its digest says, or has duplicate names or numbers that are
            not finite.
        TooLarge: the body is larger than 256 KiB or nested deeper than 32.
        WrongMediaType: the body is not declared as JSON.
        Invalid: the fields do not fit the model; each refused field is named.
    """
    if channel is not Channel.HTTP:
        return _validated(model, _NOT_HTTP[channel](event), strings=False)
    _check_digest(event)
    if path == "$default":
        return model.model_validate({})
    in_headers = _in_headers(model, event)
    in_path: dict[str, str] = dict(event.get("pathParameters") or {})
    in_query: dict[str, str] = dict(event.get("queryStringParameters") or {})
    if event["requestContext"]["http"]["method"] in ("GET", "DELETE"):
        if event.get("body"):
            raise Malformed("A GET request carries no body.", next_step="Send the fields in the query string.")
        return _as_json(_validated(model, _beside(in_query, in_headers, in_path), strings=True), in_query | in_path)
    if in_query:
        raise Malformed("This route takes no query string.", next_step="Send the fields in the JSON body.")
    body = _json(event)
    if not isinstance(body, dict):
        raise Malformed("The body is not a JSON object.", next_step="Send an object with the request's fields.")
    return _validated(model, _beside(body, in_headers, in_path), strings=False)


def _check_digest(event: Mapping[str, Any]) -> None:
    """Raise Malformed unless the body, which the authorizer never saw, is what a digest in the headers says."""
    header = (event.get("headers") or {}).get("content-digest")
    if header is None:
        return
    text: str = event.get("body") or ""
    try:
        body = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
    except (binascii.Error, UnicodeEncodeError):
        body = None
    if body is None or not matches(header, body):
        raise Malformed(
            "The body is not what its content-digest says.",
            next_step="Send one sha-256 digest (RFC 9530) of the body as it is sent.",
            code="request/digest",
        )


def _in_headers(model: type[Request], event: Mapping[str, Any]) -> dict[str, str | None]:
    """The fields that the request has in headers; None for those that are not there."""
    headers: Mapping[str, str] = event.get("headers") or {}
    names = _header_names(model)
    return {field: origin(headers) if name == ORIGIN else headers.get(name) for field, name in names.items()}


@cache
def _header_names(model: type[Request]) -> dict[str, str]:
    return {
        field: mark.name
        for field, about in model.model_fields.items()
        for mark in about.metadata
        if isinstance(mark, FromHeader)
    }


def _beside(
    fields: Mapping[str, Any], in_headers: Mapping[str, str | None], in_path: Mapping[str, str]
) -> dict[str, Any]:
    """The fields, and those from headers and from the path.

    Raises:
        Malformed: a field stands where only its header or the path may say it.
    """
    if misplaced := sorted(fields.keys() & in_headers.keys()):
        raise Malformed(
            "A field of the request belongs into a header.",
            next_step="Send it as a header only.",
            errors=tuple(FieldError(f"/{name}", "belongs into a header") for name in misplaced),
        )
    if fields.keys() & in_path.keys():
        raise Malformed("A field of the request stands in its path already.", next_step="Leave it out elsewhere.")
    return {**fields, **{name: value for name, value in in_headers.items() if value is not None}, **in_path}


def _as_json(request: R, given: Mapping[str, str]) -> R:
    """The request, if each number and truth value in its query string and path is spelled as JSON spells it.

    Raises:
        Invalid: one is not: pydantic also reads `5.0`, `1_000`, `+5` and `yes`, which no schema of ours describes.
    """
    read = {name: getattr(request, name) for name in given}
    refused = tuple(
        FieldError(f"/{name}", f"Input should be spelled {'true or false' if isinstance(value, bool) else 'in digits'}")
        for name, value in read.items()
        if isinstance(value, int) and json.dumps(value) != given[name]
    )
    if refused:
        raise _invalid(len(refused), refused)
    return request


def _of_task(event: Mapping[str, Any]) -> Any:
    """What a state machine asks."""
    if "execution" not in event:
        raise Malformed(
            "The event is neither an HTTP request, a task nor a schedule.",
            next_step='Send {"execution": "<id>", "request": {...}}.',
        )
    return event.get("request", {})


def _to_authorize(event: Mapping[str, Any]) -> dict[str, Any]:
    """What the authorizer of an HTTP API is asked; the names are our own."""
    context = event["requestContext"]
    return {
        "method": context["http"]["method"],
        "path": event["rawPath"],
        "query": event.get("rawQueryString", ""),
        "headers": dict(event.get("headers") or {}),
        "request_id": context["requestId"],
    }


def _letter(event: Mapping[str, Any]) -> dict[str, Any]:
    """What Lambda says of an asynchronous event that a function failed on for good (invocation record 1.0)."""
    context, answer = event["requestContext"], event.get("responsePayload")
    return {
        "id": context["requestId"],
        "function_arn": context["functionArn"],
        "reason": context["condition"],
        "attempts": context["approximateInvokeCount"],
        "event": event["requestPayload"],
        "error": str((answer or {}).get("errorType", "")) if isinstance(answer, Mapping | None) else "",
    }


_NOT_HTTP: dict[Channel, Callable[[Mapping[str, Any]], Any]] = {
    Channel.TASK: _of_task,
    Channel.SCHEDULE: lambda event: event.get("detail", {}),
    Channel.STREAM: lambda _: {},  # it says that something is new; what that is, whoever it starts sees for itself
    Channel.AUTHORIZER: _to_authorize,
    Channel.LETTER: _letter,
}


def _json(event: Mapping[str, Any]) -> Any:
    """The parsed body, within limits; a missing body is an empty object."""
    text: str | None = event.get("body")
    if not text:
        return {}
    headers: Mapping[str, str] = event.get("headers") or {}
    media_type = headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != "application/json" or headers.get("content-encoding", "identity") != "identity":
        raise WrongMediaType(
            "The body is not declared as plain JSON.", next_step="Send `content-type: application/json`, uncompressed."
        )
    if event.get("isBase64Encoded"):
        try:
            text = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Malformed("The body is not UTF-8.", next_step="Encode the JSON as UTF-8.") from error
    if len(text) > MAX_BODY_BYTES or len(text.encode(errors="surrogatepass")) > MAX_BODY_BYTES:
        raise TooLarge(
            f"The body is larger than {MAX_BODY_BYTES} bytes.", next_step="Split the request or send less at once."
        )
    try:
        value = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_finite)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise Malformed("The body is not valid JSON.", next_step="Check its syntax, names and numbers.") from error
    if _deeper_than(value, MAX_DEPTH):
        raise _too_deep()
    if "\\u" in text and not _is_text(value):
        raise Malformed("The body has half a character.", next_step="Send no surrogate without its other half.")
    return value


def _too_deep() -> TooLarge:
    return TooLarge(f"The body is nested deeper than {MAX_DEPTH}.", next_step="Send a flatter document.")


def _is_text(value: Any) -> bool:
    """Whether every string is made of characters: JSON can also spell the halves of a UTF-16 pair (RFC 8259, 8.2)."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate name")
    return found


def _finite(constant: str) -> Any:
    raise ValueError(constant)


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [child for node in level if isinstance(node, (dict, list)) for child in _children(node)]
        if not level:
            return False
    return any(isinstance(node, (dict, list)) for node in level)


def _children(node: dict[str, Any] | list[Any]) -> list[Any]:
    return list(node.values()) if isinstance(node, dict) else node


def _validated(model: type[R], fields: Mapping[str, Any], *, strings: bool) -> R:
    """The model, or Invalid with a pointer and a reason for each refused field; values are never echoed."""
    try:
        return model.model_validate_strings(fields) if strings else model.model_validate(fields, strict=True)
    except ValidationError as error:
        refused = error.errors(include_url=False, include_context=False, include_input=False)
        shown = tuple(_refused(model, one["loc"], one["msg"]) for one in refused[:MAX_FIELD_ERRORS])
        raise _invalid(len(refused), shown) from error


def _refused(model: type[Request], place: tuple[int | str, ...], reason: str) -> FieldError:
    """One refused field; of one that HTTPS requests have in a header, the header too."""
    header = _header_names(model).get(str(place[0])) if place else None
    where = f" (header {header})" if header and header != ORIGIN else ""
    return FieldError("/" + "/".join(_escaped(part) for part in place), reason + where)


def _invalid(refused: int, shown: tuple[FieldError, ...]) -> Invalid:
    return Invalid(
        f"{refused} field(s) of the request were refused.",
        next_step="Correct the fields listed in `errors`.",
        errors=shown,
    )


def _escaped(part: int | str) -> str:
    """One RFC 6901 reference token; a foreign name is cut, not echoed at length."""
    return str(part).replace("~", "~0").replace("/", "~1")[:64]
