"""The folder of a runtime, and how a runtime is found."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.forks import python_path
from infra.local.home import ROOT, Address, Home, find, held, is_held, publish, withdraw
from isthmus.failure import Precondition

ADDRESS = Address(7, "http://127.0.0.1:8080", "http://127.0.0.1:9", "token")

HOLD = """
import sys
from pathlib import Path
from infra.local.home import Home, held
with held(Home(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_held_by_one_runtime_at_a_time(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert not is_held(home)

    with held(home):
        assert is_held(home)
        with pytest.raises(Precondition, match="already"), held(home):
            pass
    assert not is_held(home)


def test_a_killed_runtime_holds_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    command = [sys.executable, "-c", HOLD, str(home.path)]
    with subprocess.Popen(
        command, env={"PYTHONPATH": python_path(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert is_held(home)
        other.kill()
    assert not is_held(home)


def test_a_runtime_is_found_only_while_it_holds_its_folder(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with held(home):
        publish(home, ADDRESS)
        assert find(home) == ADDRESS
    with pytest.raises(Precondition, match="isthmus up"):
        find(home)

    with held(home):
        withdraw(home)
        with pytest.raises(Precondition, match="isthmus up"):
            find(home)
