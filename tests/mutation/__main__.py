"""Mutation testing: how many small changes of a package's code its own unit tests notice.

For each area: a copy of the tree in build/mutation/<area>, in which mutmut changes the code and runs the tests;
`mutation_<area> killed of all` is printed, and build/mutation/<area>.diff shows the changes that nothing noticed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = ROOT / "build" / "mutation"
FLOOR = 0.85
PAYMENTS = ("payments", "building", "broadcasting", "signing", "coins", "amounts", "addresses")
AREAS = {
    "failure": (("isthmus/failure.py",), ("tests/core/test_failure.py",)),
    "outbound": (("isthmus/outbound/*",), ("tests/core/outbound",)),
    "access": (
        ("isthmus/access/*",),
        (
            "tests/core/access",
            "tests/adapters/access",
            "tests/operations/access",
            "tests/operations/auth",
            "tests/security/test_forged_requests.py",
            "tests/security/test_forged_tokens.py",
            "tests/security/test_replays.py",
        ),
    ),
    "ledger": (
        ("isthmus/ledger/*", "isthmus/journal.py", "isthmus/feed.py"),
        (
            "tests/core/ledger",
            "tests/core/test_journal.py",
            "tests/core/test_feed.py",
            "tests/operations/ledger",
            "tests/operations/state",
            "tests/operations/bitcoin/test_send_payment.py",
            "tests/operations/bitcoin/test_bump_fee.py",
            "tests/faults/test_by_hand.py",
            "tests/faults/test_schedules.py",
        ),
    ),
    "payments": (
        tuple(f"isthmus/bitcoin/{name}.py" for name in PAYMENTS),
        ("tests/core/bitcoin", "tests/operations/bitcoin"),
    ),
}
"""What is changed, and which tests should notice; of these the quick ones, without schedules of two faults."""

NOTICED = {"killed", "timeout"}


def main() -> None:
    """Measure the areas that were asked for, all by default; exit code 1 when one is below the floor."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("areas", nargs="*", choices=[[], *AREAS], help="which areas")
    parser.add_argument("--jobs", type=int, default=1, help="how many changes are tried at once")
    parser.add_argument("--only", nargs="+", default=[], help="which changes, such as 'isthmus.access.jwt.*'")
    asked = parser.parse_args()
    mutmut = tool()
    scores = [measure(area, mutmut, asked.jobs, asked.only) for area in asked.areas or AREAS]
    sys.exit(min(scores) < FLOOR)


def measure(area: str, mutmut: str, jobs: int, only: list[str]) -> float:
    """The part of an area's changes, or only of those named, that its tests notice."""
    tree = plant(area)
    vectors = os.environ.get("ISTHMUS_VECTORS") or str(ROOT.parent / "shared" / "vectors")
    environment = os.environ | {"ISTHMUS_VECTORS": vectors}
    subprocess.run([mutmut, "run", "--max-children", str(jobs), *only], cwd=tree, env=environment, check=True)
    results = output([mutmut, "results", "--all", "true"], tree)
    pairs = (line.strip().partition(": ") for line in results.splitlines())
    found = {name: status for name, _, status in pairs if status != "not checked"}
    counted = Counter(found.values())
    killed = sum(counted[status] for status in NOTICED)
    missed = [name for name, status in found.items() if status not in NOTICED]
    (HOME / f"{area}.diff").write_text("\n".join(output([mutmut, "show", name], tree) for name in missed))
    timed = f"{counted['timeout']} by a test that never ended"
    print(f"mutation_{area} {killed} of {len(found)} ({100 * killed / len(found):.1f} %, {timed})", flush=True)
    return killed / len(found)


def plant(area: str) -> Path:
    """A fresh copy of the tree; mutmut finds a module's name by its path below `src`."""
    changed, tests = AREAS[area]
    tree = HOME / area
    shutil.rmtree(tree, ignore_errors=True)
    copied = {"layers/core/python/isthmus": "src/isthmus"} | {name: name for name in ("functions", "infra", "tests")}
    for source, target in copied.items():
        shutil.copytree(ROOT / source, tree / target, ignore=shutil.ignore_patterns("__pycache__"))
    settings = {
        "source_paths": ["src/isthmus"],
        "only_mutate": [f"src/{one}" for one in changed],
        "also_copy": ["functions", "infra"],
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "-m", "not node and not system and not deploy"],
        "pytest_add_cli_args_test_selection": ["-k", "not two_faults", *tests],
        "timeout_constant": 6,
        "timeout_multiplier": 2,
    }
    own = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    (tree / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + f"\n[tool.mutmut]\n{own}")
    return tree


def output(command: list[str], folder: Path) -> str:
    """What a command prints."""
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def tool() -> str:
    """The path of mutmut, in an environment of its own: it wants other versions than the tools of `make setup`."""
    folder = HOME / "environment"
    python, found = str(folder / "bin" / "python"), folder / "bin" / "mutmut"
    if not found.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--require-hashes"]
        for lock in ("bootstrap", "mutation"):
            locked = str(ROOT / "requirements" / f"{lock}.txt")
            subprocess.run([*install, "--no-build-isolation", "-r", locked], check=True)
    return str(found)


if __name__ == "__main__":
    main()
