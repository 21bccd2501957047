"""What of a request comes from its headers, and a body that is what its digest says."""

import base64
from typing import Annotated, Any

import pytest

from isthmus.content_digest import digest
from isthmus.failure import FieldError, Invalid, Malformed
from isthmus.fields import FromHeader, Request
from isthmus.request import Channel, channel_of, origin, parse

HOST = {"host": "api.test", "x-forwarded-proto": "https"}


class Ask(Request):
    number: int = 0
    proof: Annotated[str, FromHeader("x-proof")] = ""
    sent_to: Annotated[str, FromHeader(":origin")]


def event(method: str, headers: dict[str, str] | None = None, **parts: Any) -> dict[str, Any]:
    return {"headers": HOST | (headers or {}), "requestContext": {"http": {"method": method}}, **parts}


def post(body: str, headers: dict[str, str] | None = None, **parts: Any) -> dict[str, Any]:
    return event("POST", {"content-type": "application/json"} | (headers or {}), body=body, **parts)


def read(asked: dict[str, Any], path: str = "/v1/x") -> Ask:
    return parse(Ask, path, Channel.HTTP, asked)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_fields_from_headers_are_read_with_any_method(method: str) -> None:
    found = read(event(method, {"x-proof": "abc"}))
    assert (found.number, found.proof, found.sent_to) == (0, "abc", "https://api.test")


def test_a_header_that_is_not_there_leaves_the_default() -> None:
    assert read(post('{"number": 5}')) == Ask(number=5, proof="", sent_to="https://api.test")


@pytest.mark.parametrize("field", ["proof", "sent_to"])
def test_what_belongs_into_a_header_is_refused_elsewhere(field: str) -> None:
    for asked in (post(f'{{"{field}": "x"}}'), event("GET", queryStringParameters={field: "x"})):
        with pytest.raises(Malformed, match="header") as refused:
            read(asked)
        assert refused.value.errors[0].pointer == f"/{field}"


def test_a_field_that_is_missing_says_in_which_header_it_belongs() -> None:
    class Keyed(Request):
        key: Annotated[str, FromHeader("x-key")]

    with pytest.raises(Invalid) as refused:
        parse(Keyed, "/v1/x", Channel.HTTP, post("{}"))
    assert refused.value.errors == (FieldError("/key", "Field required (header x-key)"),)


def test_the_header_s_own_name_is_no_field() -> None:
    with pytest.raises(Invalid):
        read(post('{"x-proof": "x"}'))


def test_a_state_machine_gives_all_fields_as_they_are() -> None:
    asked = {"execution": "e", "request": {"proof": "x", "sent_to": "https://a.test"}}
    assert parse(Ask, None, Channel.TASK, asked).proof == "x"


RECORD = {"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": {"Keys": {"pk": {"S": "a"}}}}


class Start(Request):
    number: int = 0


def test_records_of_a_stream_start_an_operation_and_say_nothing_else() -> None:
    asked = {"Records": [RECORD | {"number": 5}], "number": 5, "detail": {"number": 5}, "request": {"number": 5}}
    assert channel_of(asked) is Channel.STREAM
    assert parse(Start, "/v1/x", Channel.STREAM, asked) == Start()


@pytest.mark.parametrize(
    "records", [[], {}, "aws:dynamodb", None, [None], ["x"], [RECORD, {}], [RECORD | {"eventSource": "aws:sqs"}]]
)
def test_other_records_are_refused(records: Any) -> None:
    asked = {"Records": records}
    assert channel_of(asked) is Channel.TASK
    with pytest.raises(Malformed, match="neither"):
        parse(Start, None, Channel.TASK, asked)


def test_what_comes_over_another_way_is_no_stream_whatever_it_holds() -> None:
    more = {"Records": [RECORD]}
    assert channel_of(event("GET") | more) is Channel.HTTP
    assert channel_of({"source": "aws.scheduler", **more}) is Channel.SCHEDULE
    assert channel_of({"type": "REQUEST", "routeArn": "a", **more}) is Channel.AUTHORIZER


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (HOST, "https://api.test"),
        ({"host": "API.Test"}, "https://api.test"),
        ({"host": "127.0.0.1:8080", "x-forwarded-proto": "http"}, "http://127.0.0.1:8080"),
        ({"host": "[::1]:8080", "x-forwarded-proto": "http"}, "http://[::1]:8080"),
    ],
)
def test_the_origin_is_scheme_and_authority(headers: dict[str, str], expected: str) -> None:
    assert origin(headers) == expected


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": ""},
        {"host": "a/b"},
        {"host": "a?b"},
        {"host": "a#b"},
        {"host": "u@a"},
        {"host": "a b"},
        {"host": "a,b"},
        {"host": "a:port"},
        {"host": "a\n"},
        {"host": "a", "x-forwarded-proto": "ftp"},
        {"host": "a", "x-forwarded-proto": "https,http"},
    ],
)
def test_what_is_no_host_is_no_origin(headers: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        origin(headers)


BODY = '{"number": 5}'
DIGEST = digest(BODY.encode())


def test_a_body_that_is_what_its_digest_says_is_read() -> None:
    assert read(post(BODY, {"content-digest": DIGEST})).number == 5
    encoded = base64.b64encode(BODY.encode()).decode()
    assert read(post(encoded, {"content-digest": DIGEST}, isBase64Encoded=True)).number == 5


@pytest.mark.parametrize(
    "asked",
    [
        post(BODY + " ", {"content-digest": DIGEST}),
        post("", {"content-digest": DIGEST}),
        post(BODY, {"content-digest": ""}),
        post(BODY, {"content-digest": "sha-512=:AAAA:"}),
        post(BODY, {"content-digest": f"{DIGEST}, {DIGEST}"}),
        post(BODY, {"content-digest": DIGEST}, isBase64Encoded=True),
        post("\ud800", {"content-digest": DIGEST}),
        event("GET", {"content-digest": DIGEST}),
    ],
)
def test_a_body_that_is_not_what_its_digest_says_is_refused(asked: dict[str, Any]) -> None:
    for path in ("/v1/x", "$default"):
        with pytest.raises(Malformed) as refused:
            read(asked, path)
        assert refused.value.code == "request/digest"


def test_an_empty_body_has_a_digest_too() -> None:
    assert read(event("GET", {"content-digest": digest(b"")})).number == 0
    assert read(event("POST", {"content-digest": digest(b"")})).number == 0
