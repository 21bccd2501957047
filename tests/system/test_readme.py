"""The README's commands and its client do what it says."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.local.forks import python_path
from tests.system.running import System

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = [line[2:] for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
BEFORE_DEPLOYING = "identity new"
ISTHMUS = [
    words
    for command in COMMANDS
    if command.startswith(".venv/bin/isthmus ")
    and not (words := command.removeprefix(".venv/bin/isthmus ")).startswith(BEFORE_DEPLOYING)
]
PAYING = [words for words in ISTHMUS if words.startswith("mine ") or "--wallet" in words or "create_wallet" in words]
KEY = next(found[1] for command in COMMANDS if (found := re.fullmatch(r"KEY=\$\(\.venv/bin/isthmus (.*)\)", command)))
CURLS = [command for command in COMMANDS if command.startswith("curl ")]
CLIENTS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

pytestmark = [pytest.mark.node, pytest.mark.system]


@pytest.fixture(scope="module")
def analysed_system(lively_system: Any) -> Any:
    """The lively system after a run, as `make run` leaves it."""
    lively_system.isthmus("pipeline", "run", "--from", "0")
    return lively_system


@pytest.fixture(scope="module")
def key(analysed_system: Any) -> str:
    """The API key that the README makes."""
    made: str = analysed_system.isthmus(*shlex.split(KEY)).stdout
    return made.removesuffix("\n")


@pytest.mark.parametrize("command", [words for words in ISTHMUS if words not in PAYING])
def test_a_command_of_the_readme_succeeds(analysed_system: Any, command: str) -> None:
    done = analysed_system.isthmus(*shlex.split(command))

    assert done.stdout.strip()
    assert done.stderr == ""


def test_the_readmes_payment_happens_once_on_a_node_of_the_systems_own(tmp_path: Path) -> None:
    system = System(tmp_path, {"ISTHMUS_HOME": str(tmp_path)})
    try:
        system.up()
        told = {command.split()[1]: system.isthmus(*shlex.split(command)).stdout for command in PAYING}
        (again,) = [system.isthmus(*shlex.split(command)).stdout for command in PAYING if "send_payment" in command]
    finally:
        system.isthmus("down", check=False)

    assert again == told["send_payment"]
    reconciled = json.loads(told["reconcile_wallet"])
    assert (reconciled["transactions"], reconciled["differences"]) == (1, [])


@pytest.mark.parametrize("command", CURLS)
def test_a_curl_of_the_readme_answers(analysed_system: Any, key: str, command: str) -> None:
    words = shlex.split(command.replace("$KEY", key))
    headers = [words[place + 1].split(": ") for place, word in enumerate(words) if word == "-H"]
    path = words[-1].removeprefix("http://127.0.0.1:8080")

    answer = analysed_system.send("GET", path, signed=False, **{name.lower(): value for name, value in headers})

    proven = bool(headers) or path == "/v1/openapi.json"
    assert answer.status == ((422 if "height=-1" in path else 200) if proven else 401)
    assert answer.json


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_of_the_readme_proves_itself_and_gets_an_answer(analysed_system: Any, client: str) -> None:
    environment = os.environ | analysed_system.environment | {"PYTHONPATH": python_path(ROOT)}
    command = [sys.executable, "-c", client]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.strip()
        == json.loads(analysed_system.isthmus("call", "get_block", "--height", "5").stdout)["block_hash"]
    )


def test_the_readme_has_commands_to_try() -> None:
    assert len(ISTHMUS) >= 5
    assert len(CURLS) >= 4
    assert len(CLIENTS) == 1
