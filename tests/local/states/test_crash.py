"""`kill -9` again and again: what the journal promises, seen from outside."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ITEMS = 100
KILLS = 8
AT_ONCE = 8


def until_killed_or_done(folder: Path, mode: str, delay_s: float | None) -> dict[str, Any] | None:
    """Run the process, killed some moment after it has begun to work; the execution if it has ended before."""
    script, root = Path(__file__).with_name("crashing.py"), Path(__file__).parents[3]
    command = [sys.executable, str(script), str(folder / "states.db"), str(folder / "log"), str(ITEMS), mode]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "layers/core/python")])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        try:
            process.wait(delay_s)
        except subprocess.TimeoutExpired:
            process.kill()
        ended = process.stdout.readline()
    assert process.returncode == -signal.SIGKILL or (ended and process.returncode == 0)
    return json.loads(ended) if ended else None


def calls(folder: Path) -> Counter[str]:
    """How often each function was called for each item."""
    lines = (folder / "log").read_text().splitlines()
    return Counter(line if line.split()[1].isdigit() else line.split()[0] for line in lines)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], Counter[str]]]:
    """For each mode of the Map, how the execution ends and what it calls when nothing happens."""
    runs = {}
    for mode in ("INLINE", "DISTRIBUTED"):
        folder = tmp_path_factory.mktemp(mode)
        ended = until_killed_or_done(folder, mode, None)
        assert ended is not None
        runs[mode] = ended, calls(folder)
    return runs


@pytest.mark.parametrize("mode", ["INLINE", "DISTRIBUTED"])
def test_an_execution_survives_being_killed_again_and_again(
    tmp_path: Path, undisturbed: dict[str, tuple[dict[str, Any], Counter[str]]], mode: str
) -> None:
    ended, kills = None, 0
    while ended is None and kills < KILLS:
        ended = until_killed_or_done(tmp_path, mode, random.uniform(0, 0.03))
        kills += ended is None
    ended = ended or until_killed_or_done(tmp_path, mode, None)
    assert ended is not None
    assert kills > 2, "the execution was too quick to be disturbed"

    expected, expected_calls = undisturbed[mode]
    assert ended["status"] == expected["status"] == "SUCCEEDED"
    assert {**ended["output"], "id": ""} == {**expected["output"], "id": ""}
    assert [result["item"] for result in ended["output"]["results"]] == list(range(ITEMS))

    made = calls(tmp_path)
    assert made.keys() == expected_calls.keys()
    extra = made - expected_calls
    assert all(count <= kills for count in extra.values())
    assert extra.total() <= kills * AT_ONCE
    identities = {line.split()[1] for line in (tmp_path / "log").read_text().splitlines() if line.startswith("open ")}
    assert identities == {ended["output"]["id"]}
