"""The OpenAPI document, as it was generated from the catalogue and committed beside this file."""

from functools import cache
from importlib.resources import files
from typing import Any

import orjson


@cache
def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of every route."""
    loaded: dict[str, Any] = orjson.loads(files("isthmus").joinpath("openapi.json").read_bytes())
    return loaded
