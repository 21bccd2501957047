"""Which route takes a request, in API Gateway's order."""

import pytest

from infra.local.expand import Route
from infra.local.routes import matcher


def route(method: str, path: str) -> Route:
    return Route(method, path, f"{method} {path}", None)


ROUTES = [
    route("$default", "$default"),
    route("ANY", "/v1/{anything+}"),
    route("GET", "/v1/things/{id}"),
    route("ANY", "/v1/things/{id}"),
    route("GET", "/v1/things/special"),
    route("ANY", "/v1/things/special"),
    route("GET", "/v1/{kind}/special"),
    route("GET", "/v1/things/{id}/parts/{part}"),
    route("GET", "/v1/things/{rest+}"),
    route("POST", "/v1/a.b"),
]


@pytest.mark.parametrize(
    ("method", "path", "function", "parameters"),
    [
        ("GET", "/v1/things/special", "GET /v1/things/special", {}),
        ("PUT", "/v1/things/special", "ANY /v1/things/special", {}),
        ("GET", "/v1/things/7", "GET /v1/things/{id}", {"id": "7"}),
        ("DELETE", "/v1/things/7", "ANY /v1/things/{id}", {"id": "7"}),
        ("GET", "/v1/people/special", "GET /v1/{kind}/special", {"kind": "people"}),
        ("GET", "/v1/things/7/parts/8", "GET /v1/things/{id}/parts/{part}", {"id": "7", "part": "8"}),
        ("GET", "/v1/things/7/8/9", "GET /v1/things/{rest+}", {"rest": "7/8/9"}),
        ("PUT", "/v1/things/7/8", "ANY /v1/{anything+}", {"anything": "things/7/8"}),
        ("GET", "/v1/things/a b", "GET /v1/things/{id}", {"id": "a b"}),
        ("POST", "/v1/a.b", "POST /v1/a.b", {}),
        ("POST", "/v1/axb", "ANY /v1/{anything+}", {"anything": "axb"}),
        ("GET", "/elsewhere", "$default $default", {}),
        ("GET", "/v1", "$default $default", {}),
    ],
)
def test_the_most_specific_route_takes_the_request(
    method: str, path: str, function: str, parameters: dict[str, str]
) -> None:
    found = matcher(ROUTES)(method, path)

    assert found is not None
    assert (found.route.function, found.parameters) == (function, parameters)


def test_the_order_of_the_template_does_not_matter() -> None:
    forwards, backwards = matcher(ROUTES), matcher(ROUTES[::-1])

    for path in ("/v1/things/special", "/v1/things/7", "/v1/things/7/8", "/v1/x", "/"):
        for method in ("GET", "PUT"):
            assert forwards(method, path) == backwards(method, path)


def test_without_a_catch_all_nothing_takes_the_rest() -> None:
    assert matcher(ROUTES[2:3])("GET", "/elsewhere") is None
    assert matcher(ROUTES[2:3])("POST", "/v1/things/7") is None
