"""What every answer carries, and what none ever does."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from infra.local import outcome
from infra.local.expand import Route
from infra.local.gateway import gateway
from infra.local.outcome import Outcome
from isthmus import respond
from isthmus.catalogue import operations
from isthmus.operation import Operation
from tests.callers import OWNER

WANTED = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
ROUTED = [one for one in operations() if one.route]


def event(operation: Operation, **authorizer: Any) -> dict[str, Any]:
    """A request whose field no operation has, from a page of another origin."""
    method = "GET" if operation.method == "ANY" else operation.method
    return {
        "requestContext": {"requestId": "one", "http": {"method": method}, "authorizer": authorizer},
        "headers": {"origin": "https://evil.org", "content-type": "application/json"},
        "queryStringParameters": {"no_such_field": "1"},
    }


@pytest.mark.parametrize("operation", ROUTED, ids=lambda one: one.name)
def test_every_refusal_has_the_headers_and_nothing_for_other_origins(operation: Operation) -> None:
    headers = operation(event(operation, **OWNER), None)["headers"]

    assert headers.items() >= WANTED.items()
    assert not any(name.lower().startswith("access-control-") for name in headers)


def test_an_answer_has_them_too() -> None:
    openapi = next(one for one in operations() if one.name == "get_openapi")
    asked = {**event(openapi, **OWNER), "queryStringParameters": {}}

    answer = openapi(asked, None)

    assert answer["statusCode"] == 200
    assert answer["headers"].items() >= WANTED.items()
    assert not any(name.lower().startswith("access-control-") for name in answer["headers"])


def test_a_401_says_how_to_authenticate() -> None:
    chain = next(one for one in operations() if one.name == "get_chain_info")
    answer = chain({**event(chain), "queryStringParameters": {}}, None)

    assert (answer["statusCode"], answer["headers"]["www-authenticate"]) == (401, respond.CHALLENGE)


def test_nothing_else_than_a_401_says_so() -> None:
    openapi = next(one for one in operations() if one.name == "get_openapi")

    assert "www-authenticate" not in openapi(event(openapi, **OWNER), None)["headers"]


async def _functions(function: str, payload: bytes) -> Outcome:
    return outcome.succeeded(json.dumps({"statusCode": 200, "headers": {}, "body": "{}"}).encode())


def asked(method: str, path: str, *headers: tuple[bytes, bytes]) -> dict[str, str]:
    """The headers of what the server on this machine answers."""
    app = gateway([Route("GET", "/v1/things", "Things", None)], _functions)
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": path, "query_string": b""}
    scope |= {"headers": [(b"host", b"127.0.0.1"), *headers], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1)}
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/things"), ("GET", "/nowhere"), ("OPTIONS", "/v1/things")])
@pytest.mark.parametrize("origin", [b"http://127.0.0.1", b"https://evil.org", b"null"])
def test_the_server_on_one_machine_answers_so_whoever_asks(method: str, path: str, origin: bytes) -> None:
    headers = asked(method, path, (b"origin", origin), (b"access-control-request-method", b"GET"))

    assert headers.items() >= WANTED.items()
    assert not any(name.startswith("access-control-") for name in headers)


def test_what_a_function_says_about_itself_stands() -> None:
    assert list(asked("GET", "/v1/things")).count("cache-control") == 1


def test_the_deployed_api_is_not_opened_to_other_origins_either() -> None:
    from pathlib import Path

    text = (Path(__file__).parents[2] / "template.yaml").read_text().lower()

    assert "httpapi" in text
    assert "cors" not in text
