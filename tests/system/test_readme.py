"""The README's commands do what it says."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()
COMMANDS = [line[2:] for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
ISTHMUS = [c.removeprefix(".venv/bin/isthmus ") for c in COMMANDS if c.startswith(".venv/bin/isthmus ")]
CURLS = [shlex.split(c)[1] for c in COMMANDS if c.startswith("curl ")]

pytestmark = [pytest.mark.node, pytest.mark.system]


@pytest.fixture(scope="module")
def analysed_system(lively_system: Any) -> Any:
    """The lively system after a run, as `make run` leaves it."""
    lively_system.isthmus("pipeline", "run", "--from", "0")
    return lively_system


@pytest.mark.parametrize("command", ISTHMUS)
def test_a_command_of_the_readme_succeeds(analysed_system: Any, command: str) -> None:
    done = analysed_system.isthmus(*shlex.split(command))

    assert done.stdout.strip()
    assert done.stderr == ""


@pytest.mark.parametrize("url", CURLS)
def test_an_address_of_the_readme_answers(analysed_system: Any, url: str) -> None:
    answer = analysed_system.send("GET", url.removeprefix("http://127.0.0.1:8080"))

    assert answer.status == (422 if "height=-1" in url else 200)
    assert answer.json


def test_the_readme_has_commands_to_try() -> None:
    assert len(ISTHMUS) >= 5
    assert len(CURLS) >= 2
