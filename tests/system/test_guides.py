"""The commands of the guides do what they say, in a shell, with a signing device that speaks like HWI."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.running import ROOT, System

signers = pytest.importorskip("tests.adapters.bitcoin.signers", reason="there is no Bitcoin Dev Kit for this machine")

GUIDE = (ROOT / "docs" / "guides" / "keys-elsewhere.md").read_text()
DEVICE = ROOT / "tests" / "adapters" / "bitcoin" / "signing_device.py"
BLOCKS = re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL)
SCRIPT = re.sub(r"^\$ ", "", "".join(BLOCKS), flags=re.MULTILINE).replace(".venv/bin/isthmus", "isthmus")
JQ = "import json, sys; print(json.load(sys.stdin)[sys.argv[2].removeprefix('.')])"

pytestmark = [pytest.mark.node, pytest.mark.system]


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder of the programs that the guide calls."""
    device, folder = tmp_path / "device", tmp_path / "tools"
    device.mkdir()
    (device / "mood").write_text("well")
    (device / "fingerprint").write_text(signers.fingerprint(1))
    folder.mkdir()
    for name, words in {
        "hwi": f"{sys.executable} {DEVICE} {device}",
        "isthmus": f"{sys.executable} -m infra.local.cli",
        "jq": f'{sys.executable} -c "{JQ}"',
    }.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def own_system(tmp_path: Path, tools: Path) -> Iterator[System]:
    """A system whose own node has the device."""
    bitcoin = tmp_path / "home" / "bitcoin"
    bitcoin.mkdir(parents=True)
    (bitcoin / "bitcoin.conf").write_text(f"signer={tools / 'hwi'}\n")
    system = System(tmp_path / "home", {"ISTHMUS_HOME": str(tmp_path / "home")})
    system.up()
    yield system
    system.isthmus("down", check=False)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash on this machine")
def test_the_guide_pays_with_keys_that_the_node_never_sees(own_system: System, tools: Path) -> None:
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", SCRIPT],
        env=os.environ | own_system.environment | {"PATH": path},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    for wallet in ("vault", "desk"):
        reconciled = json.loads(own_system.isthmus("call", "reconcile_wallet", "--wallet", wallet).stdout)
        assert (reconciled["transactions"] >= 1, reconciled["complete"]) == (True, True)
        assert reconciled["differences"] == []


def test_the_guide_has_commands_to_try() -> None:
    assert SCRIPT.count("isthmus call ") >= 8
    assert SCRIPT.count("hwi ") == 1
