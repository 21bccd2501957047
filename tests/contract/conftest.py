"""The derived files and the template as CloudFormation will see it, made once for all contract tests."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

from infra.template.files import OPENAPI, TEMPLATE, derive
from isthmus.catalogue import operations

ROOT = Path(__file__).parents[2]


class Run(Protocol):
    """What `run_offline` gives."""

    def __call__(self, *command: str | Path, cwd: Path = ROOT) -> str: ...


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def derived(root: Path) -> dict[Path, str]:
    """What the generator gives for the operations there are."""
    return derive(operations(), root)


@pytest.fixture(scope="session")
def template(derived: dict[Path, str]) -> dict[str, Any]:
    """The template, its intrinsic functions in the long form; whether it is the committed one is a test of its own."""
    from samtranslator.yaml_helper import yaml_parse

    parsed: dict[str, Any] = yaml_parse(derived[TEMPLATE])
    return parsed


@pytest.fixture(scope="session")
def openapi(derived: dict[Path, str]) -> dict[str, Any]:
    """The OpenAPI document."""
    loaded: dict[str, Any] = json.loads(derived[OPENAPI])
    return loaded


@pytest.fixture(scope="session")
def expanded(root: Path, template: dict[str, Any]) -> dict[str, Any]:
    """The CloudFormation template that SAM makes of it, state machines as objects, because only so linters see them."""
    import boto3
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    local = _with_files(json.loads(json.dumps(template)), root)
    policies = {name: f"arn:aws:iam::aws:policy/service-role/{name}" for name in _MANAGED}
    translator = Translator(policies, Parser(), boto_session=boto3.Session(region_name="eu-central-1"))
    result: dict[str, Any] = translator.translate(local, {}, feature_toggle=None)
    for resource in result["Resources"].values():
        if "DefinitionString" in resource["Properties"]:
            lines = resource["Properties"].pop("DefinitionString")["Fn::Join"][1]
            resource["Properties"]["Definition"] = json.loads("\n".join(lines))
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
def run_offline(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a tool that is installed with the tests, with no AWS account; it must succeed, and its output is returned."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    told = {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "PYTHON": sys.executable,
        "SAM_CLI_TELEMETRY": "0",
        "__SAM_CLI_APP_DIR": str(tmp_path_factory.mktemp("sam")),
    }

    def run(*command: str | Path, cwd: Path = ROOT) -> str:
        installed = Path(sys.executable).parent / command[0]
        argv = [str(installed if installed.exists() else command[0]), *map(str, command[1:])]
        done = subprocess.run(argv, cwd=cwd, env=kept | told, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run
