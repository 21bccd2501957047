"""Say which routes there are and what they take and answer."""

from typing import Any

from isthmus.fields import Request, Response
from isthmus.openapi import document
from isthmus.operation import Effect, operation


class GetOpenApi(Request):
    """Nothing to ask."""


class OpenApi(Response):
    """An OpenAPI 3.1 document; the names are the specification's."""

    openapi: str
    info: dict[str, Any]
    servers: list[dict[str, Any]]
    security: list[dict[str, Any]]
    tags: list[dict[str, Any]]
    paths: dict[str, Any]
    components: dict[str, Any]


@operation("GET /v1/openapi.json", effect=Effect.READ, public=True)
def get_openapi(request: GetOpenApi) -> OpenApi:
    """The OpenAPI 3.1 document of this API."""
    return OpenApi.model_validate(document())
