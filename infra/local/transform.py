"""SAM's own transform of a template, by `aws-sam-translator`: the serverless resources become CloudFormation's.

`python -m infra.local.transform <template>` prints what it gives: its 50 MB and two seconds are a process's of its own.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infra.local.intrinsics import REGION, TemplateError


@dataclass(frozen=True)
class Transformed:
    """A CloudFormation template, and for each state machine, by its logical id, the file that its definition is in."""

    template: dict[str, Any]
    definitions: dict[str, str]


def transform(template: Path, parameters: Mapping[str, str]) -> Transformed:
    """What the transform makes of a template.

    Raises:
        TemplateError: the template cannot be read or transformed; the message says why.
    """
    import boto3
    import yaml
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator
    from samtranslator.yaml_helper import yaml_parse

    try:
        document = yaml_parse(template.read_text())
    except OSError as error:
        raise TemplateError(f"{template} cannot be read; run `make template` to write it.") from error
    except yaml.MarkedYAMLError as error:
        where = f" at line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise TemplateError(f"{template} is not valid YAML{where}: {error.problem}.") from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise TemplateError(f"{template} has no Resources.")
    definitions = _without_files(document)
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    try:
        return Transformed(translator.translate(document, dict(parameters)), definitions)
    except InvalidDocumentException as error:
        reasons = "; ".join(cause.message for cause in error.causes)
        raise TemplateError(f"{template} is not a valid SAM template: {reasons}") from error


def _without_files(document: dict[str, Any]) -> dict[str, str]:
    """Replace every local path by an address, which is what `sam package` does; return the machines' paths."""
    machines: dict[str, str] = {}
    for logical_id, resource in document["Resources"].items():
        properties = resource.setdefault("Properties", {})
        kind = resource.get("Type")
        if kind == "AWS::Serverless::Function":
            properties["CodeUri"] = "s3://local/code"
        elif kind == "AWS::Serverless::LayerVersion":
            properties["ContentUri"] = "s3://local/layer"
        elif kind == "AWS::Serverless::StateMachine" and "DefinitionUri" in properties:
            machines[logical_id] = properties["DefinitionUri"]
            properties["DefinitionUri"] = "s3://local/definition"
    return machines


def from_json(text: str) -> Transformed:
    """What `python -m infra.local.transform` printed.

    Raises:
        TemplateError: it printed what is wrong with the template.
    """
    document = json.loads(text)
    if "error" in document:
        raise TemplateError(document["error"])
    return Transformed(**document)


def main() -> None:
    """Print what the transform makes of the template that the command line names, or what is wrong with it."""
    try:
        document = asdict(transform(Path(sys.argv[1]), {}))
    except TemplateError as error:
        document = {"error": str(error)}
    print(json.dumps(document, default=str))  # YAML takes a policy's version for a date


if __name__ == "__main__":
    main()
