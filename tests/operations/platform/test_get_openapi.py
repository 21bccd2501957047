import json
from typing import Any

from functions.platform.get_openapi import GetOpenApi, get_openapi
from isthmus.openapi import document
from tests.callers import OWNER

EVENT: dict[str, Any] = {
    "requestContext": {
        "requestId": "one",
        "http": {"method": "GET"},
        "authorizer": OWNER,
    },
}


def test_the_answer_is_the_committed_document() -> None:
    assert get_openapi.function(GetOpenApi()).model_dump() == document()


def test_the_document_comes_through_http_unchanged() -> None:
    answer = get_openapi(EVENT, None)
    assert answer["statusCode"] == 200
    assert answer["headers"]["content-type"] == "application/json"
    assert json.loads(answer["body"]) == document()


def test_the_document_names_its_own_route() -> None:
    assert document()["paths"]["/v1/openapi.json"]["get"]["operationId"] == get_openapi.name


def test_a_question_about_the_document_is_refused() -> None:
    answer = get_openapi(EVENT | {"queryStringParameters": {"version": "2"}}, None)
    assert answer["statusCode"] == 422
    assert json.loads(answer["body"])["errors"][0]["pointer"] == "/version"
