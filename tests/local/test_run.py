"""`isthmus run`: the folder and the port are its own before it starts a node, and every end of its job ends it."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from infra.local.bitcoind import start_regtest
from infra.local.cli import main
from infra.local.commands import run
from infra.local.commands.run import _Job, _lively_node
from infra.local.forks import python_path
from infra.local.home import ROOT, Address, Home, held, publish
from infra.local.runtime import claimed
from infra.local.settings import Settings, settings_from

NOBODY = Address(pid=1, url="http://127.0.0.1:1", control="http://127.0.0.1:1", token="token")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in ("ISTHMUS_PORT", "ISTHMUS_BITCOIN_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ISTHMUS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ISTHMUS_BITCOIND", str(tmp_path / "none"))
    return Home(tmp_path / "home")


def test_a_second_run_on_the_folder_is_refused_before_it_touches_the_firsts_node(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    with held(home):
        assert main(["run", "--port", "0"]) == 1

    shown = capsys.readouterr()
    assert (shown.out, "A runtime runs on" in shown.err) == ("", True)
    assert not home.bitcoin.exists()


def test_a_taken_port_is_refused_before_a_chain_is_built(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with claimed(Settings(Home(home.path.parent / "other"), port=0)) as listener:
        assert main(["run", "--port", str(listener.getsockname()[1])]) == 1

    assert "make run PORT=" in capsys.readouterr().err
    assert not home.bitcoin.exists()


def test_what_a_killed_runtime_left_behind_leads_nobody_to_its_process_id(home: Home) -> None:
    with held(home):
        publish(home, NOBODY)
    with claimed(Settings(home, port=0)):
        assert not home.runtime.exists()


@pytest.mark.parametrize("words", [["run"], ["up", "--without-node"]])
def test_a_home_that_cannot_be_written_is_explained(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    home.path.write_text("a file, no folder")

    assert main([*words, "--port", "0"]) == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["99999", "-1", "22x"])
@pytest.mark.parametrize("words", [["run"], ["up", "--without-node"]])
def test_a_port_that_is_none_is_explained(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], port: str
) -> None:
    monkeypatch.setenv("ISTHMUS_PORT", port)

    assert main(words) == 1
    assert "from 0 to 65535" in capsys.readouterr().err


def test_the_nodes_files_are_looked_for_where_the_user_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"ISTHMUS_BITCOIN_URL": "http://n:1", "ISTHMUS_BITCOIN_COOKIE": "cookie", "ISTHMUS_BITCOIN_CA": "ca.pem"}

    node = settings_from(given).node
    assert node is not None
    assert node["ISTHMUS_BITCOIN_COOKIE"] == str(tmp_path / "cookie")
    assert node["ISTHMUS_BITCOIN_CA"] == str(tmp_path / "ca.pem")


def test_a_relative_home_is_where_the_user_stands_also_in_the_background(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "ISTHMUS_HOME": "relative", "PYTHONPATH": python_path(ROOT)}

    def isthmus(*words: str) -> int:
        command = [sys.executable, "-m", "infra.local.cli", *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, timeout=60, check=False).returncode

    assert isthmus("up", "--without-node", "--port", "0") == 0
    assert Path(tmp_path, "relative", "runtime.json").exists()
    assert isthmus("down") == 0


def test_a_job_that_breaks_in_any_way_tells_the_system_to_stop(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(run, "control", lambda _address, _method, path: told.append(path))
    closed = io.StringIO()
    closed.close()

    with pytest.raises(ValueError, match="closed file"):
        _Job(Console(file=closed), home, None, once=True)._guarded(NOBODY)
    assert told == ["/stop"]


def test_a_job_whose_system_was_told_to_stop_has_nothing_to_complain_about(home: Home) -> None:
    job = _Job(Console(file=io.StringIO()), home, None, once=True)
    job.stopping.set()
    job._guarded(NOBODY)
    assert (job.failure, job.complete) == (None, None)


def test_a_terminal_without_unicode_shows_a_substitute(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))

    assert main(["call"]) == 0
    sys.stdout.write("\u2588\n")
    sys.stdout.flush()
    assert written.getvalue().endswith(b"?\n")


@pytest.mark.node
def test_a_chain_that_was_left_unfinished_is_built_anew(
    bitcoind: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "CHAIN_BLOCKS", 2)
    monkeypatch.setattr(run, "CHAIN_TRANSACTIONS", 10)
    console, datadir = Console(file=io.StringIO()), tmp_path / "bitcoin"
    half = start_regtest(datadir)
    half.mine(3)
    half.stop()
    (datadir / "unfinished").touch()

    whole = _lively_node(console, datadir)
    height = whole.rpc("getblockcount")
    whole.stop()
    again = _lively_node(console, datadir)
    assert again.rpc("getblockcount") == height > 100
    again.stop()
