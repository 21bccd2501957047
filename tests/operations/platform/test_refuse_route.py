import json
from typing import Any

import pytest

from functions.platform.refuse_route import AnyRoute, refuse_route
from isthmus.failure import NotFound
from tests.callers import OWNER


def event(method: str, **more: Any) -> dict[str, Any]:
    return {"requestContext": {"requestId": "one", "http": {"method": method}, "authorizer": OWNER}, **more}


def test_it_says_where_the_routes_are_listed() -> None:
    with pytest.raises(NotFound) as refused:
        refuse_route.function(AnyRoute())
    assert refused.value.next_step == "GET /v1/openapi.json lists the routes there are."


@pytest.mark.parametrize(
    "request_",
    [
        event("GET", queryStringParameters={"a": "1"}),
        event("POST", body="{", headers={"content-type": "text/plain"}),
        event("PATCH", body="x" * 300_000),
        event("DELETE", pathParameters={"proxy": "anything"}),
    ],
    ids=lambda one: one["requestContext"]["http"]["method"],
)
def test_whatever_is_sent_the_answer_is_that_there_is_no_such_route(request_: dict[str, Any]) -> None:
    answer = refuse_route(request_, None)
    problem = json.loads(answer["body"])
    assert answer["statusCode"] == 404
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert (problem["type"], problem["money_moved"]) == ("/problems/not-found/platform/route", "no")


def test_who_is_not_known_is_told_the_same() -> None:
    answer = refuse_route({"requestContext": {"requestId": "one", "http": {"method": "GET"}}}, None)
    assert answer["statusCode"] == 404
