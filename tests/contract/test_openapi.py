import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import Field

from infra.template.openapi import document, routed
from infra.template.problems import possible, tree
from isthmus.catalogue import operations
from isthmus.failure import Conflict, FieldError, NotFound, Precondition, Unavailable, Unknown, Upstream
from isthmus.fields import FromHeader, Request, Response
from isthmus.operation import Effect, Operation, operation


class Ask(Request):
    """What is asked."""

    name: str
    count: int = 1


class AskWithHeader(Request):
    """What is asked, and how it was sent."""

    name: str
    count: int = 1
    proof: Annotated[str, FromHeader("dpop")] = Field(default="", description="proof of a key")
    origin: Annotated[str, FromHeader(":origin")] = Field(description="where it was sent to")


class Inner(Response):
    """Inside."""

    text: str


class Tell(Response):
    """What is told."""

    inner: Inner


@operation("GET /v1/things/{name}", effect=Effect.READ, errors=(NotFound,))
def get_thing(request: Ask) -> Tell:
    """Get it."""
    return Tell(inner=Inner(text=request.name))


@operation("POST /v1/things/{name}", effect=Effect.CHANGE, errors=(Conflict, Precondition), status=202)
def change_thing(request: Ask) -> Tell:
    """Change it."""
    return Tell(inner=Inner(text=request.name))


@operation("POST /v1/things", effect=Effect.CHANGE)
def add_thing(request: Ask) -> Tell:
    """Add it."""
    return Tell(inner=Inner(text=request.name))


@operation("PUT /v1/things/{name}", effect=Effect.CHANGE, errors=(Unknown,), status=202, public=True)
def pay_thing(request: AskWithHeader) -> Tell:
    """Pay it."""
    return Tell(inner=Inner(text=request.name))


@operation(effect=Effect.CHANGE)
def task(request: Ask) -> Tell:
    """Only a state machine starts it."""
    return Tell(inner=Inner(text=request.name))


@pytest.fixture(scope="session")
def small(root: Path) -> dict[str, Any]:
    return document([get_thing, change_thing, add_thing, pay_thing, task], root)


def test_the_document_fits_another_implementations_model_of_openapi_3_1(openapi: dict[str, Any]) -> None:
    from aws_lambda_powertools.event_handler.openapi.models import OpenAPI

    parsed = OpenAPI.model_validate(openapi)
    assert (parsed.openapi, set(parsed.paths or {})) == ("3.1.0", set(openapi["paths"]))


def test_every_schema_in_it_is_a_json_schema(openapi: dict[str, Any]) -> None:
    for schema in openapi["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_reference_in_it_leads_somewhere_and_every_component_is_used(openapi: dict[str, Any]) -> None:
    references = {node["$ref"] for node in _nodes(openapi) if "$ref" in node}
    kinds = ("schemas", "responses")
    there = {f"#/components/{kind}/{name}" for kind in kinds for name in openapi["components"][kind]}
    assert references == there


def test_every_parameter_in_a_path_is_declared_once_and_required(openapi: dict[str, Any]) -> None:
    for path, methods in openapi["paths"].items():
        for one in methods.values():
            declared = [entry for entry in one.get("parameters", []) if entry["in"] == "path"]
            assert sorted(entry["name"] for entry in declared) == sorted(re.findall(r"\{(\w+)\}", path))
            assert all(entry["required"] for entry in declared)


def test_every_operation_answers_with_its_own_failures_and_the_common_ones(openapi: dict[str, Any]) -> None:
    for one in routed(operations()):
        responses = openapi["paths"][one.path][str(one.method).lower()]["responses"]
        statuses = {str(one.status), *(str(failure.status) for failure in possible(one))}
        assert set(responses) == statuses
        assert {"400", "422", "429", "500", "503"} <= set(responses)
        assert one.public or {"401", "403"} <= set(responses)


def test_a_body_may_be_too_large_or_of_another_type_and_a_get_has_no_body(small: dict[str, Any]) -> None:
    get, post = small["paths"]["/v1/things/{name}"]["get"], small["paths"]["/v1/things/{name}"]["post"]
    assert {"413", "415"} & set(get["responses"]) == set()
    assert {"413", "415"} <= set(post["responses"])
    assert "requestBody" not in get


def test_a_get_takes_its_fields_from_the_path_and_the_query(small: dict[str, Any]) -> None:
    assert small["paths"]["/v1/things/{name}"]["get"]["parameters"] == [
        {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "count", "in": "query", "required": False, "schema": {"type": "integer", "default": 1}},
    ]


def test_a_post_takes_from_the_body_what_is_not_in_the_path(small: dict[str, Any]) -> None:
    post = small["paths"]["/v1/things/{name}"]["post"]
    body = post["requestBody"]["content"]["application/json"]["schema"]
    assert [entry["name"] for entry in post["parameters"]] == ["name"]
    assert (body["properties"], body["required"], body["additionalProperties"]) == (
        {"count": {"type": "integer", "default": 1}},
        [],
        False,
    )


def test_a_post_with_nothing_in_the_path_names_its_request(small: dict[str, Any]) -> None:
    body = small["paths"]["/v1/things"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Ask"}
    assert "Ask" in small["components"]["schemas"]


def test_a_body_is_needed_if_one_of_its_fields_is(small: dict[str, Any]) -> None:
    assert small["paths"]["/v1/things"]["post"]["requestBody"]["required"] is True
    assert small["paths"]["/v1/things/{name}"]["post"]["requestBody"]["required"] is False


def test_failures_of_one_status_share_one_answer(small: dict[str, Any]) -> None:
    answers = small["paths"]["/v1/things/{name}"]["post"]["responses"]
    assert answers["409"] == {"$ref": "#/components/responses/409-Conflict-Precondition"}
    assert small["components"]["responses"]["409-Conflict-Precondition"]["description"] == (
        "The state has changed; or A precondition is not met"
    )


def test_what_only_a_state_machine_starts_has_no_path(small: dict[str, Any]) -> None:
    named = {one["operationId"] for methods in small["paths"].values() for one in methods.values()}
    assert named == {"get_thing", "change_thing", "add_thing", "pay_thing"}


def test_an_unknown_outcome_stands_beside_the_answer_of_the_same_status(small: dict[str, Any]) -> None:
    answer = small["paths"]["/v1/things/{name}"]["put"]["responses"]["202"]
    schemas = {name: content["schema"]["$ref"].rsplit("/", 1)[1] for name, content in answer["content"].items()}
    assert schemas == {"application/json": "Tell", "application/problem+json": "Problem"}
    assert answer["description"] == "What is told. Or: Not known yet."
    assert set(answer["headers"]) == {"location"}


def test_a_field_in_a_header_is_a_parameter_and_what_follows_from_the_request_is_nowhere(small: dict[str, Any]) -> None:
    put = small["paths"]["/v1/things/{name}"]["put"]
    assert put["parameters"] == [
        {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}},
        {
            "name": "dpop",
            "in": "header",
            "required": False,
            "description": "proof of a key",
            "schema": {"type": "string", "default": ""},
        },
    ]
    body = put["requestBody"]["content"]["application/json"]["schema"]
    assert list(body["properties"]) == ["count"]


def test_one_of_three_proofs_is_asked_for_with_all_its_headers_unless_the_route_is_public(
    small: dict[str, Any],
) -> None:
    schemes = small["components"]["securitySchemes"]
    assert small["security"] == [{"token": [], "proof": []}, {"signatureInput": [], "signature": []}, {"apiKey": []}]
    assert {name for proof in small["security"] for name in proof} == set(schemes)
    assert (schemes["token"]["scheme"], schemes["proof"]["name"]) == ("DPoP", "DPoP")
    public = {
        one["operationId"]: one["security"]
        for path in small["paths"].values()
        for one in path.values()
        if "security" in one
    }
    assert public == {"pay_thing": []}
    assert {"401", "403"} & set(small["paths"]["/v1/things/{name}"]["put"]["responses"]) == set()


def test_a_refusal_for_want_of_a_proof_says_which_ones_are_taken(small: dict[str, Any]) -> None:
    challenge = small["components"]["responses"]["401-Unauthenticated"]["headers"]["www-authenticate"]
    assert challenge["required"] is True


def test_who_asks_for_a_token_in_vain_is_told_so(openapi: dict[str, Any]) -> None:
    assert "401" in openapi["paths"]["/v1/auth/token"]["post"]["responses"]


def test_every_operation_says_which_scope_it_asks_for(openapi: dict[str, Any]) -> None:
    said = {one["operationId"]: one["x-scope"] for path in openapi["paths"].values() for one in path.values()}
    assert said == {one.name: one.scope for one in routed(operations())}


@pytest.mark.parametrize("status", ["413", "429", "500", "503"])
def test_what_api_gateway_itself_may_answer_is_described_too(small: dict[str, Any], status: str) -> None:
    reference = small["paths"]["/v1/things"]["post"]["responses"][status]["$ref"]
    answer = small["components"]["responses"][reference.rsplit("/", 1)[1]]
    validator = Draft202012Validator(small["components"]["schemas"]["GatewayMessage"])
    assert set(answer["content"]) == {"application/problem+json", "application/json"}
    assert validator.is_valid({"message": "Too Many Requests"})


def test_two_operations_on_one_route_are_refused(root: Path) -> None:
    with pytest.raises(ValueError, match=re.escape("two operations answer GET /v1/things/{name}")):
        document([get_thing, get_thing], root)


def test_two_models_of_one_name_are_refused(root: Path) -> None:
    with pytest.raises(ValueError, match=r"each model needs a name of its own: .*Tell"):
        document([get_thing, _with_another_tell()], root)


def test_the_schema_of_problems_takes_every_failure_there_is(openapi: dict[str, Any]) -> None:
    validator = Draft202012Validator(openapi["components"]["schemas"]["Problem"])
    for failure in tree():
        full = failure(
            "It failed.",
            next_step="Look.",
            code="domain/what",
            errors=(FieldError("/name", "too short"),),
            upstream=Upstream("bitcoin", -8),
            money_moved="unknown",
            severity="critical",
            location="/v1/things/1",
            retry_after_ms=10,
        )
        full.group = "v1:" + "0" * 64
        validator.validate(full.problem("one"))
        validator.validate(failure("It failed.", next_step="Look.").problem("one"))


def test_the_schema_of_problems_refuses_what_is_none(openapi: dict[str, Any]) -> None:
    problem = Unavailable("It failed.", next_step="Look.").problem("one")
    validator = Draft202012Validator(openapi["components"]["schemas"]["Problem"])
    assert not validator.is_valid({"message": "Internal Server Error"})
    assert not validator.is_valid(problem | {"money_moved": "perhaps"})
    assert not validator.is_valid(problem | {"stack": "trace"})


def _with_another_tell() -> Operation:
    from pydantic import create_model

    other = create_model("Tell", __base__=Response, other=(int, ...))

    def get_other(request: Ask) -> Response:
        """Get the other."""
        return other(other=1)

    get_other.__annotations__["return"] = other
    return operation("GET /v1/other/{name}", effect=Effect.READ)(get_other)


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(child)
