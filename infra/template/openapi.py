"""openapi.json: every route with its parameters, bodies, answers and failures, as OpenAPI 3.1."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from infra.template.problems import gateway_schema, has_body, possible, problem_schema, refusal
from infra.template.proofs import PROOFS, SCHEMES
from isthmus.operation import Operation

_COMPONENTS = "#/components/schemas/"
_NAME = re.compile(r"[A-Za-z0-9]+(-Input|-Output)?")

_OWN_SCHEMAS = {"Problem": problem_schema, "GatewayMessage": gateway_schema}

Schema = dict[str, Any]


class _Untitled(GenerateJsonSchema):
    """Pydantic's generator without a title that repeats each field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def routed(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """The operations with a route of their own: all but the tasks, the schedules and the catch-all."""
    return tuple(operation for operation in operations if operation.path and operation.path != "$default")


def document(operations: Iterable[Operation], root: Path) -> Schema:
    """The whole document; `root` is the repository, whose pyproject.toml says the version.

    Raises:
        ValueError: two different models share a name, or two operations share a route.
    """
    listed = routed(operations)
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    schemas = components(listed)
    paths: dict[str, Schema] = {}
    for operation in listed:
        path, method = paths.setdefault(str(operation.path), {}), str(operation.method).lower()
        if method in path:
            raise ValueError(f"two operations answer {operation.route}")
        path[method] = _path(operation, schemas)
    schemas |= {name: schema() for name, schema in _OWN_SCHEMAS.items()}
    used = reached(paths.values(), schemas) | set(_OWN_SCHEMAS)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Isthmus", "version": project["version"], "summary": project["description"]},
        "servers": [{"url": "/"}],
        "security": PROOFS,
        "tags": [{"name": domain} for domain in sorted({operation.domain for operation in listed})],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {name: schemas[name] for name in sorted(used)},
            "responses": dict(sorted((name, answer) for one in listed for name, answer in _refusals(one))),
            "securitySchemes": SCHEMES,
        },
    }


def components(operations: Iterable[Operation]) -> dict[str, Schema]:
    """The JSON schema of every request and response, and of the models inside them, by name.

    Raises:
        ValueError: two different models share a name.
    """
    wanted: list[Any] = []
    for operation in operations:
        wanted += [(operation.request, "validation"), (operation.response, "serialization")]
    found = models_json_schema(wanted, ref_template=_COMPONENTS + "{model}", schema_generator=_Untitled)[1]
    schemas: dict[str, Schema] = found.get("$defs", {})
    if ambiguous := [name for name in schemas if not _NAME.fullmatch(name) or name in _OWN_SCHEMAS]:
        raise ValueError(f"each model needs a name of its own: {', '.join(sorted(ambiguous))}")
    return schemas


def references(node: Any) -> Iterator[str]:
    """The names of the schemas that a schema, or anything that holds schemas, refers to."""
    if isinstance(node, dict):
        if str(node.get("$ref", "")).startswith(_COMPONENTS):
            yield node["$ref"].removeprefix(_COMPONENTS)
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def reached(roots: Iterable[Any], schemas: Mapping[str, Schema]) -> set[str]:
    """The names of all schemas that something refers to, by way of others too."""
    met: set[str] = set()
    waiting = [name for root in roots for name in references(root)]
    while waiting:
        name = waiting.pop()
        if name not in met:
            met.add(name)
            waiting += references(schemas[name])
    return met


def _body(operation: Operation, schemas: Mapping[str, Schema]) -> Schema:
    """The schema of the JSON body: the request's, without what stands in the path or in headers."""
    schema = schemas[operation.request.__name__]
    properties = schema.get("properties", {})
    fields = {name: field for name, field in properties.items() if _place(operation, name, field) == "body"}
    if len(fields) == len(schema.get("properties", {})) > 0:
        return {"$ref": _COMPONENTS + operation.request.__name__}
    required = [name for name in schema.get("required", []) if name in fields]
    return {**schema, "properties": fields, "required": required} if fields else {}


def _in_path(operation: Operation) -> list[str]:
    return re.findall(r"\{(\w+)\+?\}", str(operation.path))


def _place(operation: Operation, name: str, field: Schema) -> str:
    """Where a field stands in an HTTPS request; nowhere if it follows from how the request is sent."""
    if is_derived(field):
        return ""
    if "x-header" in field:
        return "header"
    if name in _in_path(operation):
        return "path"
    return "body" if has_body(operation) else "query"


def _parameters(operation: Operation, schema: Schema) -> list[Schema]:
    """What stands in the path, in headers and, without a body, in the query string."""
    placed = ((name, field, _place(operation, name, field)) for name, field in schema.get("properties", {}).items())
    return [
        _parameter(field.get("x-header", name), field, place, required=name in schema.get("required", []))
        for name, field, place in placed
        if place in ("path", "header", "query")
    ]


def is_derived(field: Schema) -> bool:
    """Whether a field of a request follows from how the request was sent, so that nobody sends it."""
    return str(field.get("x-header", "")).startswith(":")


def _parameter(name: str, field: Schema, place: str, *, required: bool) -> Schema:
    described = {"description": field["description"]} if "description" in field else {}
    bare = {key: value for key, value in field.items() if key not in ("description", "x-header")}
    return {"name": name, "in": place, "required": required, **described, "schema": bare}


def _path(operation: Operation, schemas: Mapping[str, Schema]) -> Schema:
    body, parameters = _body(operation, schemas), _parameters(operation, schemas[operation.request.__name__])
    return {
        "operationId": operation.name,
        "tags": [operation.domain],
        "summary": operation.summary,
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": _request_body(body, schemas)} if body else {}),
        "responses": {str(operation.status): _success(operation, schemas)}
        | {name.split("-")[0]: {"$ref": f"#/components/responses/{name}"} for name, _ in _refusals(operation)},
        **({"security": []} if operation.public else {}),
        "x-effect": operation.effect.value,
        "x-scope": operation.scope,
    }


def _request_body(body: Schema, schemas: Mapping[str, Schema]) -> Schema:
    """A body is needed if one of its fields is: without a body no field is given."""
    fields = schemas[body["$ref"].removeprefix(_COMPONENTS)] if "$ref" in body else body
    return {"required": bool(fields.get("required")), "content": {"application/json": {"schema": body}}}


def _success(operation: Operation, schemas: Mapping[str, Schema]) -> Schema:
    """The answer; a failure of the same status, an Unknown beside a 202, is told apart by its media type."""
    answer = operation.response.__name__
    success: Schema = {
        "description": schemas[answer].get("description", operation.summary),
        "content": {"application/json": {"schema": {"$ref": _COMPONENTS + answer}}},
    }
    if not (alike := [failure for failure in possible(operation) if failure.status == operation.status]):
        return success
    other = refusal(operation.status, alike)
    return {
        **other,
        "description": f"{success['description']} Or: {other['description']}.",
        "content": success["content"] | other["content"],
    }


def _refusals(operation: Operation) -> Iterator[tuple[str, Schema]]:
    """A response component for each refusing status: `404-NotFound`; `409-Conflict-Precondition` for two failures."""
    for status, group in groupby(possible(operation), key=lambda failure: failure.status):
        failures = list(group)
        if status != operation.status:
            yield "-".join([str(status), *(failure.__name__ for failure in failures)]), refusal(status, failures)
