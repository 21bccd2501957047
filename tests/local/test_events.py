"""API Gateway's payload format 2.0, in both directions."""

import json
from typing import Any

import pytest

from infra.local.events import (
    BadAnswerError,
    HttpRequest,
    authorized,
    authorizer_event,
    event,
    response,
    scheduled,
)
from infra.local.expand import Route
from infra.local.routes import Match

THINGS = Match(Route("GET", "/v1/things/{id}", "GetThing", "Authorize"), {"id": "a b"})
NOON = 1_583_348_638.390
REQUEST_ID = "01234567-89ab-4def-8123-456789abcdef"


def request(**changes: Any) -> HttpRequest:
    settings: dict[str, Any] = {
        "method": "GET",
        "path": "/v1/things/a b",
        "query": "",
        "headers": [(b"host", b"127.0.0.1:8080")],
        "body": b"",
    }
    return HttpRequest(**settings | changes)


def test_a_whole_event_is_what_api_gateway_sends() -> None:
    asked = request(
        method="POST",
        query="p=1&p=2&q=a%20b%26&flag",
        headers=[
            (b"host", b"localhost:8080"),
            (b"accept", b"a/a"),
            (b"accept", b"b/b"),
            (b"cookie", b"x=1; y=2"),
            (b"content-type", b"application/json"),
            (b"content-length", b"2"),
            (b"user-agent", b"tester"),
        ],
        body=b"{}",
        client="127.0.0.1",
    )

    assert event(asked, THINGS, REQUEST_ID, NOON) == {
        "version": "2.0",
        "routeKey": "GET /v1/things/{id}",
        "rawPath": "/v1/things/a b",
        "rawQueryString": "p=1&p=2&q=a%20b%26&flag",
        "cookies": ["x=1", "y=2"],
        "headers": {
            "host": "localhost:8080",
            "accept": "a/a,b/b",
            "content-type": "application/json",
            "content-length": "2",
            "user-agent": "tester",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-proto": "http",
            "x-forwarded-port": "8080",
            "x-amzn-trace-id": "Root=1-5e5ffb9e-0123456789ab4def81234567",
        },
        "queryStringParameters": {"p": "1,2", "q": "a b&", "flag": ""},
        "pathParameters": {"id": "a b"},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": "localhost",
            "domainPrefix": "localhost",
            "http": {
                "method": "POST",
                "path": "/v1/things/a b",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "tester",
            },
            "requestId": REQUEST_ID,
            "routeKey": "GET /v1/things/{id}",
            "stage": "$default",
            "time": "04/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1_583_348_638_390,
        },
        "body": "{}",
        "isBase64Encoded": False,
    }


def test_what_a_request_lacks_its_event_lacks() -> None:
    made = event(request(), Match(Route("$default", "$default", "Rest", None), {}), "id")

    assert {"cookies", "queryStringParameters", "pathParameters", "body"}.isdisjoint(made)
    assert "authorizer" not in made["requestContext"]
    assert made["routeKey"] == "$default"
    assert made["headers"]["content-length"] == "0"


def test_an_authorizer_is_asked_with_what_api_gateway_sends() -> None:
    asked = request(
        method="POST",
        query="p=1",
        headers=[(b"host", b"localhost:8080"), (b"cookie", b"x=1"), (b"authorization", b"DPoP token")],
        body=b"{}",
    )

    assert authorizer_event(event(asked, THINGS, REQUEST_ID, NOON)) == {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": "arn:aws:execute-api:us-east-1:000000000000:local/$default/POST/v1/things/a b",
        "identitySource": None,
        "routeKey": "GET /v1/things/{id}",
        "rawPath": "/v1/things/a b",
        "rawQueryString": "p=1",
        "cookies": ["x=1"],
        "headers": {
            "host": "localhost:8080",
            "authorization": "DPoP token",
            "content-length": "2",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-proto": "http",
            "x-forwarded-port": "8080",
            "x-amzn-trace-id": "Root=1-5e5ffb9e-0123456789ab4def81234567",
        },
        "queryStringParameters": {"p": "1"},
        "pathParameters": {"id": "a b"},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": "localhost",
            "domainPrefix": "localhost",
            "http": {
                "method": "POST",
                "path": "/v1/things/a b",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "",
            },
            "requestId": REQUEST_ID,
            "routeKey": "GET /v1/things/{id}",
            "stage": "$default",
            "time": "04/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1_583_348_638_390,
        },
    }


def test_an_authorizers_simple_response_is_a_context_or_a_refusal() -> None:
    assert authorized(b'{"isAuthorized": true, "context": {"id": "x", "scopes": ["a"]}}') == {
        "id": "x",
        "scopes": ["a"],
    }
    assert authorized(b'{"isAuthorized": true}') == {}
    assert authorized(b'{"isAuthorized": true, "context": null}') == {}
    assert authorized(b'{"isAuthorized": false, "context": {"id": "x"}}') is None


@pytest.mark.parametrize(
    "payload",
    [
        b"null",
        b"true",
        b"[]",
        b"{}",
        b'{"isAuthorized": "true"}',
        b'{"isAuthorized": 1}',
        b'{"isAuthorized": true, "context": "x"}',
        b'{"policyDocument": {}, "principalId": "x"}',
    ],
)
def test_any_other_answer_of_an_authorizer_is_a_bad_one(payload: bytes) -> None:
    with pytest.raises(BadAnswerError):
        authorized(payload)


@pytest.mark.parametrize(
    ("content_type", "body", "text", "encoded"),
    [
        (b"application/json", b'{"a": "\xc3\xa9"}', '{"a": "é"}', False),
        (b"application/problem+json; charset=utf-8", b"{}", "{}", False),
        (b"text/csv", b"a,b", "a,b", False),
        (b"", b"plain", "plain", False),
        (b"application/octet-stream", b"\x00\x01", "AAE=", True),
        (b"application/x-www-form-urlencoded", b"a=b", "YT1i", True),
        (b"application/json", b"\xff", "/w==", True),
    ],
)
def test_bodies_that_are_not_text_are_base64(content_type: bytes, body: bytes, text: str, encoded: bool) -> None:  # noqa: FBT001
    made = event(request(headers=[(b"content-type", content_type)], body=body), THINGS, "id")

    assert (made["body"], made["isBase64Encoded"]) == (text, encoded)


def test_a_response_object_becomes_status_headers_cookies_and_body() -> None:
    answer = response(
        json.dumps(
            {
                "statusCode": "201",
                "headers": {"Content-Type": "application/json", "X-Number": 7, "Connection": "close"},
                "cookies": ["a=1", "b=2"],
                "body": "é",
            }
        ).encode()
    )

    assert (answer.status, answer.body) == (201, "é".encode())
    assert answer.headers == [
        (b"content-type", b"application/json"),
        (b"x-number", b"7"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
    ]


def test_base64_bodies_are_decoded_and_plain_text_is_the_default_type() -> None:
    answer = response(b'{"statusCode": 200, "body": "AAE=", "isBase64Encoded": true}')

    assert answer.body == b"\x00\x01"
    assert answer.headers == [(b"content-type", b"text/plain;charset=UTF-8")]


@pytest.mark.parametrize("payload", [b'{"message": "hello"}', b'"hello"', b"[1]", b"null", b"7"])
def test_any_other_answer_is_passed_on_as_json(payload: bytes) -> None:
    answer = response(payload)

    assert (answer.status, answer.body) == (200, payload)
    assert answer.headers == [(b"content-type", b"application/json")]


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "none"},
        {"statusCode": None},
        {"statusCode": 99},
        {"statusCode": 1000},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "?", "isBase64Encoded": True},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"x": "\u4e16"}},
        {"statusCode": 200, "cookies": [1]},
    ],
)
def test_a_broken_response_object_is_a_bad_answer(answer: dict[str, Any]) -> None:
    with pytest.raises(BadAnswerError):
        response(json.dumps(answer).encode())


def test_a_schedules_event_is_eventbridges() -> None:
    made = scheduled("aws.events", "arn:rule", "the-id", NOON)

    assert made == {
        "version": "0",
        "id": "the-id",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": "2020-03-04T19:03:58Z",
        "region": "us-east-1",
        "resources": ["arn:rule"],
        "detail": {},
    }
    assert scheduled("aws.scheduler", "arn:schedule", "id", NOON)["detail"] == "{}"
