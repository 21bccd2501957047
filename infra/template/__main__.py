"""Write what is derived from the catalogue, or with --check say what is out of date."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.template.files import derive, outdated, write
from isthmus.catalogue import operations


def main(arguments: Sequence[str] | None = None, root: Path = Path()) -> int:
    """The exit code: 1 when --check found something."""
    parser = argparse.ArgumentParser(prog="python -m infra.template", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when something is out of date")
    check: bool = parser.parse_args(arguments).check
    derived = derive(operations(), root)
    changed = outdated(derived, root) if check else write(derived, root)
    for path in changed:
        print(f"{path} is not what the operations say: run `make template`" if check else f"written: {path}")
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
