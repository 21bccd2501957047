"""The gateway as an ASGI application, with a function that the test plays."""

import asyncio
import json
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from infra.local import outcome
from infra.local.expand import Route
from infra.local.gateway import App, gateway
from infra.local.outcome import Outcome

ROUTES = [
    Route("GET", "/v1/things/{id}", "GetThing", None),
    Route("POST", "/v1/things", "MakeThing", None),
    Route("GET", "/v1/closed/{id}", "GetThing", "Authorize"),
]
CLOSED = "/v1/closed/7"
HUNG_UP = b"the caller hung up"
HOST = (b"host", b"127.0.0.1:8080")


@dataclass
class Played:
    """The functions: what they were asked, and what they answer."""

    answer: Outcome = field(default_factory=lambda: outcome.succeeded(b'{"statusCode": 200, "body": "fine"}'))
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    never: bool = False
    says: Outcome = field(default_factory=lambda: outcome.succeeded(b'{"isAuthorized": true, "context": {"id": "me"}}'))
    says_never: bool = False

    async def invoke(self, function: str, payload: bytes) -> Outcome:
        self.asked.append((function, json.loads(payload)))
        if self.says_never if function == "Authorize" else self.never:
            await asyncio.Event().wait()
        return self.says if function == "Authorize" else self.answer


@dataclass
class Got:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        assert document["instance"] == self.headers["apigw-requestid"]
        assert document["next_step"]
        return document


def get(
    app: App,
    path: str = "/v1/things/7",
    *,
    method: str = "GET",
    headers: list[tuple[bytes, bytes]] | None = None,
    body: list[bytes] | None = None,
) -> Got:
    parts = [b""] if body is None else body
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [HOST] if headers is None else headers,
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8080),
    }
    coming = [
        {"type": "http.request", "body": part, "more_body": place < len(parts)}
        if part is not HUNG_UP
        else {"type": "http.disconnect"}
        for place, part in enumerate(parts, 1)
    ]
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return coming.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    start, end = sent
    return Got(start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, end["body"])


def test_a_request_becomes_an_event_and_the_answer_a_response() -> None:
    played = Played()

    got = get(gateway(ROUTES, played.invoke))

    assert (got.status, got.body) == (200, b"fine")
    function, event = played.asked[0]
    assert function == "GetThing"
    assert event["pathParameters"] == {"id": "7"}
    assert event["requestContext"]["requestId"] == got.headers["apigw-requestid"]


def test_a_body_in_pieces_arrives_whole() -> None:
    played = Played()

    get(gateway(ROUTES, played.invoke), "/v1/things", method="POST", body=[b'{"a"', b": ", b"1}"])

    assert played.asked[0][1]["body"] == '{"a": 1}'


def test_a_path_without_a_route_is_a_problem_with_api_gateways_message() -> None:
    problem = get(gateway(ROUTES, Played().invoke), "/nowhere").problem

    assert (problem["status"], problem["kind"], problem["message"]) == (404, "not-found", "Not Found")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"evil.example")],
        [(b"host", b"127.0.0.1.evil.example:8080")],
        [(b"host", b"127.0.0.1:8081")],
        [HOST, HOST],
        [HOST, (b"origin", b"http://evil.example")],
        [HOST, (b"origin", b"http://127.0.0.1:3000")],
        [HOST, (b"origin", b"null")],
        [HOST, (b"sec-fetch-site", b"cross-site")],
        [HOST, (b"sec-fetch-site", b"same-site")],
    ],
)
def test_what_a_foreign_web_page_could_send_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    played = Played()

    problem = get(gateway(ROUTES, played.invoke), headers=headers).problem

    assert (problem["status"], problem["kind"]) == (403, "forbidden")
    assert played.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        [HOST, (b"origin", b"http://127.0.0.1:8080"), (b"sec-fetch-site", b"same-origin")],
        [(b"host", b"localhost:8080"), (b"sec-fetch-site", b"none")],
        [(b"host", b"[::1]:8080")],
        [(b"host", b"127.0.0.1")],
    ],
)
def test_what_programs_and_the_own_page_send_passes(headers: list[tuple[bytes, bytes]]) -> None:
    assert get(gateway(ROUTES, Played().invoke), headers=headers).status == 200


def test_two_lengths_of_one_body_are_refused() -> None:
    headers = [HOST, (b"content-length", b"4"), (b"transfer-encoding", b"chunked")]

    assert get(gateway(ROUTES, Played().invoke), headers=headers).status == 400


def test_a_body_over_ten_megabytes_is_refused_by_its_length_and_by_its_size() -> None:
    app = gateway(ROUTES, Played().invoke)
    declared = [HOST, (b"content-length", str(10 * 1024 * 1024 + 1).encode())]
    piece = b"x" * 1024 * 1024

    for got in (
        get(app, "/v1/things", method="POST", headers=declared),
        get(app, "/v1/things", method="POST", headers=[HOST], body=[piece] * 11),
    ):
        assert (got.problem["status"], got.problem["message"]) == (413, "Request Entity Too Large")


def test_a_caller_that_hangs_up_halfway_invokes_nothing() -> None:
    played = Played()

    got = get(gateway(ROUTES, played.invoke), "/v1/things", method="POST", body=[b"{", HUNG_UP])

    assert got.status == 400
    assert played.asked == []


def test_headers_over_ten_kilobytes_are_refused() -> None:
    assert get(gateway(ROUTES, Played().invoke), headers=[HOST, (b"x", b"y" * 10_240)]).status == 413


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (outcome.raised(b'{"errorType": "LookupError", "errorMessage": "secret"}'), 500, "Internal Server Error"),
        (outcome.timed_out("id", 3), 500, "Internal Server Error"),
        (outcome.exited("id", 1), 500, "Internal Server Error"),
        (outcome.too_large_response(), 500, "Internal Server Error"),
        (outcome.succeeded(b'{"statusCode": "none"}'), 500, "Internal Server Error"),
        (outcome.too_large_request(), 413, "Request Entity Too Large"),
        (outcome.throttled(), 503, "Service Unavailable"),
        (outcome.stopping("id"), 503, "Service Unavailable"),
    ],
)
def test_what_goes_wrong_in_a_function_is_answered_as_api_gateway_does(
    answer: Outcome, status: int, message: str
) -> None:
    got = get(gateway(ROUTES, Played(answer).invoke))

    assert (got.problem["status"], got.problem["message"]) == (status, message)
    assert b"secret" not in got.body


def test_a_function_that_does_not_answer_in_time_is_unavailable_and_perhaps_still_at_work() -> None:
    problem = get(gateway(ROUTES, Played(never=True).invoke, timeout_s=0.01)).problem

    assert (problem["status"], problem["message"], problem["money_moved"]) == (503, "Service Unavailable", "unknown")


def test_what_the_authorizer_says_stands_in_the_functions_event() -> None:
    played = Played()

    got = get(gateway(ROUTES, played.invoke), CLOSED)

    assert got.status == 200
    (authorizer, question), (function, event) = played.asked
    assert (authorizer, question["type"]) == ("Authorize", "REQUEST")
    assert "authorizer" not in question["requestContext"]
    assert (function, event["requestContext"]["authorizer"]) == ("GetThing", {"lambda": {"id": "me"}})
    assert question["requestContext"]["requestId"] == event["requestContext"]["requestId"]


def test_a_route_without_an_authorizer_has_nothing_of_one_in_its_event() -> None:
    played = Played()

    assert get(gateway(ROUTES, played.invoke)).status == 200
    ((function, event),) = played.asked
    assert (function, "authorizer" in event["requestContext"]) == ("GetThing", False)


def test_an_event_with_a_foreign_authorizers_word_cannot_be_forged_by_headers_or_query() -> None:
    played = Played(says=outcome.succeeded(b'{"isAuthorized": true}'))
    headers = [HOST, (b"x-authorizer", b"owner"), (b"requestcontext", b'{"authorizer": {}}')]

    get(gateway(ROUTES, played.invoke), CLOSED, headers=headers)

    assert played.asked[1][1]["requestContext"]["authorizer"] == {"lambda": {}}


def test_whom_the_authorizer_refuses_is_forbidden_and_reaches_no_function() -> None:
    played = Played(says=outcome.succeeded(b'{"isAuthorized": false, "context": {"id": "me"}}'))

    problem = get(gateway(ROUTES, played.invoke), CLOSED).problem

    assert (problem["status"], problem["message"]) == (403, "Forbidden")
    assert [function for function, _ in played.asked] == ["Authorize"]


@pytest.mark.parametrize(
    ("says", "status", "message"),
    [
        (outcome.raised(b'{"errorType": "LookupError", "errorMessage": "secret"}'), 500, "Internal Server Error"),
        (outcome.timed_out("id", 3), 500, "Internal Server Error"),
        (outcome.exited("id", 1), 500, "Internal Server Error"),
        (outcome.succeeded(b"null"), 500, "Internal Server Error"),
        (outcome.succeeded(b'{"isAuthorized": "yes"}'), 500, "Internal Server Error"),
        (outcome.throttled(), 503, "Service Unavailable"),
        (outcome.stopping("id"), 503, "Service Unavailable"),
    ],
)
def test_an_authorizer_that_fails_lets_nobody_pass(says: Outcome, status: int, message: str) -> None:
    played = Played(says=says)

    got = get(gateway(ROUTES, played.invoke), CLOSED)

    assert (got.problem["status"], got.problem["message"], got.problem["money_moved"]) == (status, message, "no")
    assert b"secret" not in got.body
    assert [function for function, _ in played.asked] == ["Authorize"]


def test_an_authorizer_that_does_not_answer_in_time_lets_nobody_pass() -> None:
    played = Played(says_never=True)

    problem = get(gateway(ROUTES, played.invoke, authorizer_timeout_s=0.01), CLOSED).problem

    assert (problem["status"], problem["message"], len(played.asked)) == (500, "Internal Server Error", 1)
