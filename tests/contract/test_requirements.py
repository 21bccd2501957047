import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.template.lock import LAYERS, LOCKS, main

LAMBDA = {"python_version": "3.13", "python_full_version": "3.13.0", "platform_machine": "aarch64"}


def pins(lock: Path) -> dict[str, str]:
    """The version of each package that a lock installs on Lambda."""
    lines = [line.rstrip(" \\") for line in lock.read_text().splitlines() if re.match(r"[a-z0-9]", line, re.IGNORECASE)]
    found = [Requirement(line) for line in lines]
    return {
        canonicalize_name(one.name): str(one.specifier)
        for one in found
        if not one.marker or one.marker.evaluate(LAMBDA)
    }


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_runs_the_versions_that_the_tests_run(root: Path, layer: str) -> None:
    tested = pins(root / "requirements/dev.txt")
    deployed = pins(root / f"layers/{layer}/requirements.txt")
    assert deployed.items() <= tested.items(), "run `make lock`"


def test_one_machine_runs_the_versions_that_the_tests_run(root: Path) -> None:
    assert pins(root / "requirements/run.txt").items() <= pins(root / "requirements/dev.txt").items(), "run `make lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_everything_that_was_asked_for(root: Path, lock: str) -> None:
    inputs = [root / path for path in LOCKS[lock] if path.endswith(".in")]
    wanted = {canonicalize_name(Requirement(line).name) for path in inputs for line in path.read_text().split()}
    assert wanted <= set(pins(root / lock)), "run `make lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_in_a_lock_has_a_hash(root: Path, lock: str) -> None:
    text = (root / lock).read_text()
    packages = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(packages) == text.count("==") - text.count("== '")
    assert all("--hash=sha256:" in package for package in packages)


def test_no_two_layers_hold_the_same_package(root: Path) -> None:
    base, data = (set(pins(root / f"layers/{layer}/requirements.txt")) for layer in LAYERS)
    assert base & data == set()


def test_locking_without_uv_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([], tmp_path) == 1
    assert "pip install uv" in capsys.readouterr().out
