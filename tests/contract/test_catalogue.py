import importlib
import pkgutil
import re
import sys
from pathlib import Path
from typing import Any

import functions
from infra.template.files import OPERATIONS
from infra.template.openapi import routed
from infra.template.sam import logical_id
from isthmus.catalogue import operations
from isthmus.operation import Effect

GATEWAY_LIMIT_S = 30
LAMBDA_LIMIT_S = 900


def test_there_are_operations() -> None:
    assert len(operations()) > 2


def test_no_two_operations_share_a_name_or_a_route() -> None:
    names = [operation.name for operation in operations()]
    routes = [re.sub(r"\{\w+\}", "{}", operation.route) for operation in operations() if operation.route]
    assert sorted(set(names)) == sorted(names)
    assert sorted(set(routes)) == sorted(routes)


def test_every_operation_has_its_test_file(root: Path) -> None:
    expected = {f"tests/operations/{one.domain}/test_{one.name}.py" for one in operations()}
    assert sorted(path for path in expected if not (root / path).is_file()) == []


def test_every_test_file_has_its_operation(root: Path) -> None:
    expected = {root / f"tests/operations/{one.domain}/test_{one.name}.py" for one in operations()}
    assert sorted(set((root / "tests/operations").glob("*/test_*.py")) - expected) == []


def test_every_operation_says_in_one_sentence_what_it_does() -> None:
    assert [one.name for one in operations() if not one.summary.endswith(".")] == []


def test_a_get_changes_nothing() -> None:
    gets = [operation for operation in operations() if operation.method == "GET"]
    assert [operation.route for operation in gets if operation.effect is not Effect.READ] == []


def test_no_operation_outlives_what_started_it() -> None:
    for operation in operations():
        limit = GATEWAY_LIMIT_S if operation.route else LAMBDA_LIMIT_S + 1
        assert operation.timeout_s < limit, operation.name


def test_everything_in_a_path_is_a_required_field_of_the_request() -> None:
    for operation in routed(operations()):
        for name in re.findall(r"\{(\w+)\}", str(operation.path)):
            assert operation.request.model_fields[name].is_required(), operation.route


def test_the_catalogue_the_template_the_openapi_document_and_the_pages_name_the_same_operations(
    derived: dict[Path, str], template: dict[str, Any], openapi: dict[str, Any]
) -> None:
    here = {(logical_id(one), one.handler, one.route, one.schedule) for one in operations()}
    deployed = {
        (name, one["Properties"]["Handler"], _route(one), _schedule(one))
        for name, one in template["Resources"].items()
        if one["Type"] == "AWS::Serverless::Function"
    }
    described = {
        (operation["operationId"], operation["tags"][0], f"{method.upper()} {path}")
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    }
    explained = {
        (path.stem, name)
        for path, page in derived.items()
        if path.parent == OPERATIONS
        for name in re.findall(r"^## ([a-z_0-9]+)$", page, re.MULTILINE)
    }

    assert deployed == here
    assert described == {(one.name, one.domain, one.route) for one in routed(operations())}
    assert explained == {(one.domain, one.name) for one in operations()}


def test_the_route_that_takes_the_rest_is_there_once(template: dict[str, Any]) -> None:
    functions_ = [one for one in template["Resources"].values() if one["Type"] == "AWS::Serverless::Function"]
    assert [one["Properties"]["Handler"] for one in functions_ if _route(one) == "$default"] == [
        "functions.platform.refuse_route.refuse_route"
    ]


def test_no_folder_of_operations_is_found_as_a_module_of_its_own(root: Path) -> None:
    domains = {entry.name for entry in pkgutil.iter_modules(functions.__path__)}
    assert {"platform"} <= domains & set(sys.stdlib_module_names)
    for name in domains & set(sys.modules):
        assert not str(importlib.import_module(name).__file__).startswith(str(root / "functions")), name


def _route(function: dict[str, Any]) -> str | None:
    event = function["Properties"].get("Events", {}).get("Http")
    if event is None:
        return None
    properties = event["Properties"]
    return f"{properties['Method']} {properties['Path']}" if "Path" in properties else "$default"


def _schedule(function: dict[str, Any]) -> str | None:
    event = function["Properties"].get("Events", {}).get("Schedule")
    return event["Properties"]["ScheduleExpression"] if event else None
