"""The control flow: one function behind HTTPS, a state machine's task and a schedule."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from isthmus import wiring
from isthmus.failure import Forbidden, Malformed, NotFound, Unavailable, Upstream
from isthmus.fields import Request, Response
from isthmus.operation import Effect, Operation, operation
from isthmus.ports import Caller, Clock
from tests.callers import OWNER

CONTEXT = SimpleNamespace(aws_request_id="from-lambda")


class Ask(Request):
    number: int = 1


class Told(Response):
    number: int
    now_ms: int
    caller: str


class StoppedClock:
    def now_ms(self) -> int:
        return 77


def tell_number(request: Ask, caller: Caller, clock: Clock) -> Told:
    """Tell a number back."""
    if request.number == 404:
        raise NotFound("There is none.", next_step="Ask for another.", code="test/none")
    if request.number == 503:
        lost = Upstream("neighbour", -28)
        raise Unavailable("Too early.", next_step="Ask later.", upstream=lost, retry_after_ms=1_500)
    if request.number == 500:
        raise ZeroDivisionError("secret text")
    return Told(number=request.number, now_ms=clock.now_ms(), caller=f"{caller.kind} {caller.id}")


tell_number.__module__ = "functions.test.tell_number"


def declared(route: str | None = "GET /v1/number", schedule: str | None = "rate(1 minute)") -> Operation:
    return operation(route, effect=Effect.READ, schedule=schedule, errors=(NotFound,))(tell_number)


@pytest.fixture(autouse=True)
def stopped_clock() -> Iterator[None]:
    with wiring.replaced({Clock: StoppedClock()}):
        yield


def http(number: str = "1", authorizer: Any = OWNER) -> dict[str, Any]:
    return {
        "version": "2.0",
        "headers": {},
        "queryStringParameters": {"number": number},
        "requestContext": {
            "requestId": "from-gateway",
            "http": {"method": "GET", "path": "/v1/number"},
            "authorizer": authorizer,
        },
    }


def task(request: Any = None) -> dict[str, Any]:
    return {"execution": "arn:execution", "request": {"number": 1} if request is None else request}


SCHEDULED = {"source": "aws.scheduler", "resources": ["tell_number"], "detail": {}}


def test_an_https_request_gets_a_status_headers_and_the_body() -> None:
    answer = declared()(http("5"), CONTEXT)

    assert (answer["statusCode"], answer["headers"]["content-type"]) == (200, "application/json")
    assert json.loads(answer["body"]) == {"number": 5, "now_ms": 77, "caller": "did did:key:zOwner"}
    assert answer["headers"]["x-request-id"] == "from-gateway"


def test_a_task_gets_the_fields() -> None:
    assert declared()(task({"number": 6}), CONTEXT) == {
        "number": 6,
        "now_ms": 77,
        "caller": "execution arn:execution",
    }


def test_a_schedule_asks_without_fields() -> None:
    assert declared()(SCHEDULED, CONTEXT)["caller"] == "schedule tell_number"


def test_a_failure_is_a_problem_document_over_https() -> None:
    answer = declared()(http("503"), CONTEXT)

    assert answer["statusCode"] == 503
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert answer["headers"]["retry-after"] == "2"
    document = json.loads(answer["body"])
    assert document["upstream"] == {"system": "neighbour", "code": -28}
    assert (document["kind"], document["instance"]) == ("unavailable", "from-gateway")


def test_a_failure_is_an_exception_for_a_state_machine_which_names_its_class() -> None:
    with pytest.raises(NotFound, match="There is none"):
        declared()(task({"number": 404}), CONTEXT)


def test_what_nobody_expected_is_a_defect_without_a_word_of_it() -> None:
    answer = declared()(http("500"), CONTEXT)

    assert answer["statusCode"] == 500
    assert json.loads(answer["body"])["kind"] == "defect"
    assert "secret" not in answer["body"]


def test_without_a_checked_identity_nobody_gets_in() -> None:
    answer = declared()(http("1", {}), CONTEXT)

    assert answer["statusCode"] == 401
    assert "www-authenticate" in answer["headers"]


@pytest.mark.parametrize("spelled", ["5.0", "1_000", "+5", " 5", "5 ", "05", "-0", "\u0665", "5e0", "0x5", "", "5,6"])
def test_a_number_in_the_query_string_is_spelled_in_digits_only(spelled: str) -> None:
    answer = declared()(http(spelled), CONTEXT)

    assert answer["statusCode"] == 422
    assert [error["pointer"] for error in json.loads(answer["body"])["errors"]] == ["/number"]


class Choose(Request):
    group: str = ""
    loud: bool = False


class Chosen(Response):
    group: str
    loud: bool


def choose(request: Choose) -> Chosen:
    """Choose."""
    return Chosen(group=request.group, loud=request.loud)


choose.__module__ = "functions.test.choose"


def chosen(method: str, query: dict[str, str], body: str | None = None, group: str | None = None) -> Any:
    path = "/v1/choose/{group}" if group else "/v1/choose"
    event = {
        "headers": {"content-type": "application/json"},
        "queryStringParameters": query,
        "body": body,
        "pathParameters": {"group": group} if group else {},
        "requestContext": {"requestId": "r", "http": {"method": method, "path": path}, "authorizer": OWNER},
    }
    return operation(f"{method} {path}", effect=Effect.READ)(choose)(event, CONTEXT)


@pytest.mark.parametrize("spelled", ["yes", "on", "1", "True", "TRUE", "t", "n"])
def test_a_truth_value_in_the_query_string_is_spelled_true_or_false(spelled: str) -> None:
    assert chosen("GET", {"loud": "true"})["statusCode"] == 200
    assert chosen("GET", {"loud": "false"})["statusCode"] == 200
    assert chosen("GET", {"loud": spelled})["statusCode"] == 422


@pytest.mark.parametrize(("method", "query", "body"), [("GET", {"group": "b"}, None), ("POST", {}, '{"group": "b"}')])
def test_what_stands_in_the_path_stands_nowhere_else(method: str, query: dict[str, str], body: str | None) -> None:
    assert json.loads(chosen(method, {}, None, group="a")["body"])["group"] == "a"
    assert chosen(method, query, body, group="a")["statusCode"] == 400


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (r'"\ud83d\ude00"', 200),
        (r'"\ud83d"', 400),
        (r'"\udc00"', 400),
        (r'"\ude00\ud83d"', 400),
        (r'"a", "\ud83d": 1', 400),
        (r'"\u0000"', 200),
    ],
)
def test_a_body_with_half_a_character_cannot_be_read(text: str, status: int) -> None:
    assert chosen("POST", {}, f'{{"group": {text}}}')["statusCode"] == status


def test_an_operation_without_a_route_is_no_one_s_over_https() -> None:
    assert declared(route=None)(http(), CONTEXT)["statusCode"] == 403


def test_an_operation_without_a_schedule_is_not_for_schedules() -> None:
    with pytest.raises(Forbidden):
        declared(schedule=None)(SCHEDULED, CONTEXT)


@pytest.mark.parametrize("request_", [[], 0, "", [1], "x", 5])
def test_a_task_s_request_must_be_an_object(request_: Any) -> None:
    with pytest.raises(Exception, match="refused") as refused:
        declared()(task(request_), CONTEXT)

    assert type(refused.value).__name__ == "Invalid"


def test_an_event_of_no_kind_is_refused() -> None:
    with pytest.raises(Malformed, match="neither"):
        declared()({"hello": "world"}, CONTEXT)


def test_each_call_is_one_log_line_without_the_request_s_fields(caplog: pytest.LogCaptureFixture) -> None:
    declared()(http("404"), CONTEXT)

    (line,) = [vars(record) for record in caplog.records]
    assert (line["operation"], line["channel"], line["kind"]) == ("test.tell_number", "http", "not-found")
    assert "number" not in line


def test_the_declaration_says_everything_that_is_derived_from_it() -> None:
    told = declared()

    assert (told.name, told.domain, told.method, told.path) == ("tell_number", "test", "GET", "/v1/number")
    assert (told.handler, told.summary) == ("functions.test.tell_number.tell_number", "Tell a number back.")
    assert told.ports == {"caller": Caller, "clock": Clock}
    assert (told.request, told.response) == (Ask, Told)
