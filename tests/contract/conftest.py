"""The derived files and the template as CloudFormation will see it, made once for all contract tests."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.template.files import derive
from isthmus.catalogue import operations

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def derived(root: Path) -> dict[Path, str]:
    """What the generator gives for the operations there are."""
    return derive(operations(), root)


@pytest.fixture(scope="session")
def template(root: Path) -> dict[str, Any]:
    """The committed template, its intrinsic functions in the long form."""
    from samtranslator.yaml_helper import yaml_parse

    parsed: dict[str, Any] = yaml_parse((root / "template.yaml").read_text())
    return parsed


@pytest.fixture(scope="session")
def expanded(root: Path, template: dict[str, Any]) -> dict[str, Any]:
    """The CloudFormation template that SAM makes of it."""
    import boto3
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    local = _with_files(json.loads(json.dumps(template)), root)
    policies = {name: f"arn:aws:iam::aws:policy/service-role/{name}" for name in _MANAGED}
    translator = Translator(policies, Parser(), boto_session=boto3.Session(region_name="eu-central-1"))
    result: dict[str, Any] = translator.translate(local, {}, feature_toggle=None)
    return result


_MANAGED = ("AWSLambdaBasicExecutionRole", "AWSLambdaVPCAccessExecutionRole")


def _with_files(template: dict[str, Any], root: Path) -> dict[str, Any]:
    """The template with what `sam package` puts in the place of local folders and files."""
    template["Globals"]["Function"]["CodeUri"] = "s3://artifacts/functions"
    for resource in template["Resources"].values():
        properties: dict[str, Any] = resource["Properties"]
        if "ContentUri" in properties:
            properties["ContentUri"] = "s3://artifacts/" + properties["ContentUri"]
        if "DefinitionUri" in properties:
            properties["Definition"] = json.loads((root / properties.pop("DefinitionUri")).read_text())
    return template


@pytest.fixture(scope="session")
def offline_environment() -> Mapping[str, str]:
    """What AWS's tools need to work with no account: a region, and no telemetry."""
    import os

    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    bin_folder = str(ROOT / ".venv" / "bin")
    path = os.pathsep.join((bin_folder, os.environ.get("PATH", "")))
    return {**kept, "PATH": path, "AWS_DEFAULT_REGION": "eu-central-1", "SAM_CLI_TELEMETRY": "0"}
