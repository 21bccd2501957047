"""Every command of a runbook is one that there is: operation and fields, AWS's API, the template's parameters."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isthmus.catalogue import operations

FOLDER = Path(__file__).parents[2] / "docs" / "runbooks"
OF_THE_TOOL = {"query", "output", "region"}
LOCAL = {"down": set(), "up": set(), "identity": {"new"}}


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command in the page's console blocks; `NAME=$(command)` is the command inside."""
    for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL):
        for line in re.findall(r"^\s*\$ (.*)$", block, re.MULTILINE):
            inside = re.fullmatch(r"(?:export )?\w+=\$\((.*)\)", line)
            yield shlex.split(inside[1] if inside else re.sub(r"\$\(\(.*\)\)", "0", line))


def every(tool: str) -> list[Any]:
    found = [(page, words) for page in sorted(FOLDER.glob("*.md")) for words in commands(page) if words[0] == tool]
    return [pytest.param(words[1:], id=f"{page.stem}: {' '.join(words[:3])}") for page, words in found]


def options(words: list[str]) -> dict[str, str]:
    """The options of a command with their values."""
    pairs = zip(words, [*words[1:], ""], strict=True)
    return {word.removeprefix("--"): value for word, value in pairs if word.startswith("--")}


@pytest.mark.parametrize("words", every("isthmus"))
def test_the_command_line_has_this_command(words: list[str]) -> None:
    command, *rest = words
    if command != "call":
        assert command in LOCAL
        assert set(rest[:1]) == LOCAL[command]
        return
    called = {one.name: one for one in operations() if one.route}[rest[0]]
    given = {name.replace("-", "_"): value for name, value in options(rest).items()}
    fields = called.request.model_fields
    assert set(given) <= set(fields)
    assert {name for name, field in fields.items() if field.is_required()} <= set(given)


@pytest.mark.parametrize("words", every("aws"))
def test_aws_has_this_operation_with_these_parameters(words: list[str]) -> None:
    import botocore.session
    from botocore import xform_name

    service, operation, *rest = words
    model = botocore.session.get_session().get_service_model(service)
    named = {xform_name(name, "-"): name for name in model.operation_names}
    assert operation in named
    members = model.operation_model(named[operation]).input_shape.members
    assert set(options(rest)) <= {xform_name(name, "-") for name in members} | OF_THE_TOOL


@pytest.mark.parametrize("words", every("sam"))
def test_the_template_has_the_parameter_that_is_deployed(words: list[str], template: dict[str, Any]) -> None:
    assert words[:2] == ["deploy", "--parameter-overrides"]
    (name,) = {word.split("=")[0] for word in words[2:]}
    assert name in template["Parameters"]


def test_every_output_and_resource_that_a_runbook_asks_for_is_in_the_template(template: dict[str, Any]) -> None:
    text = "".join(page.read_text() for page in FOLDER.glob("*.md"))
    asked = set(re.findall(r"OutputKey=='(\w+)'", text))
    assert asked == {"ApiUrl", "TokenKeyArn", "UndeliveredUrl"}
    assert asked <= set(template["Outputs"])
    assert set(re.findall(r"--logical-resource-id (\w+)", text)) <= set(template["Resources"])


def test_every_runbook_is_listed_and_every_alarm_leads_to_what_to_do(template: dict[str, Any]) -> None:
    listed = (FOLDER / "README.md").read_text()
    assert all(f"({page.name})" in listed for page in FOLDER.glob("*.md") if page.name != "README.md")
    alarms = [name for name, one in template["Resources"].items() if one["Type"] == "AWS::CloudWatch::Alarm"]
    assert alarms
    assert [name for name in alarms if f"`{name}`" not in listed] == []


def test_there_are_commands_of_every_kind() -> None:
    assert all(len(every(tool)) > 2 for tool in ("isthmus", "aws", "sam"))
