"""Pin every dependency with hashes: what tests use, what one machine runs, and what each layer holds for Lambda."""

import argparse
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

LAYERS = ("base", "data")
_LAYERS_IN = tuple(f"layers/{layer}/requirements.in" for layer in LAYERS)
_ANYWHERE = ("--universal", "--python-version", "3.11")
_ON_LAMBDA = ("--python-version", "3.13", "--python-platform", "aarch64-manylinux_2_28")
_AS_TESTED = ("--constraint", "requirements/dev.txt")

LOCKS: dict[str, tuple[str, ...]] = {
    "requirements/bootstrap.txt": ("requirements/bootstrap.in", *_ANYWHERE),
    "requirements/dev.txt": (*_LAYERS_IN, "requirements/run.in", "requirements/dev.in", *_ANYWHERE),
    "requirements/mutation.txt": (*_LAYERS_IN, "requirements/run.in", "requirements/mutation.in", *_ANYWHERE),
    "requirements/peers.txt": ("requirements/peers.in", *_ANYWHERE),
    "requirements/run.txt": (*_LAYERS_IN, "requirements/run.in", *_ANYWHERE, *_AS_TESTED),
    **{f"layers/{one}/requirements.txt": (f"layers/{one}/requirements.in", *_ON_LAMBDA, *_AS_TESTED) for one in LAYERS},
}


def main(arguments: Sequence[str] | None = None, root: Path = Path()) -> int:
    """The exit code: 1 when there is no uv, or when it finds no solution."""
    parser = argparse.ArgumentParser(prog="python -m infra.template.lock", description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions instead of keeping the pinned")
    upgrade = ["--upgrade"] if parser.parse_args(arguments).upgrade else []
    uv = _uv()
    if not uv:
        print("Locking needs uv: install it with `pip install uv`, anywhere on the PATH.")
        return 1
    for output, inputs in LOCKS.items():
        command = [*uv, "pip", "compile", *inputs, "--output-file", output, *upgrade]
        command += ["--generate-hashes", "--no-strip-extras", "--no-emit-index-url", "--no-header", "--quiet"]
        if subprocess.run(command, cwd=root, check=False).returncode:  # noqa: S603 - the command is spelled out above
            return 1
        print(f"locked: {output}")
    return 0


def _uv() -> list[str]:
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    found = shutil.which("uv")
    return [found] if found else []


if __name__ == "__main__":
    sys.exit(main())
