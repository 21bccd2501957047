"""What is imported is what is pinned."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN = {"isthmus", "functions", "infra", "tests"}
IN_EVERY_LAMBDA = {"boto3", "botocore"}
ONLY_FOR_DEVELOPMENT = {ROOT / "infra" / "template"}


def imported(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every module from elsewhere that a file under the folder imports, wherever in the file."""
    for path in folder.rglob("*.py"):
        if ONLY_FOR_DEVELOPMENT & set(path.parents):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                top = name.split(".")[0]
                if top not in OWN and top not in sys.stdlib_module_names:
                    yield path, top


def pinned(*files: str) -> set[str]:
    """The distributions that some lock files install, in the one spelling that names are compared in."""
    return {
        normal(n) for file in files for n in re.findall(r"^([A-Za-z0-9._-]+)", (ROOT / file).read_text(), re.MULTILINE)
    }


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize(
    ("folders", "locks", "given"),
    [
        (("layers", "functions", "infra"), ("requirements/run.txt",), set()),
        (("layers", "functions"), ("layers/base/requirements.txt", "layers/data/requirements.txt"), IN_EVERY_LAMBDA),
    ],
    ids=["one machine", "Lambda"],
)
def test_every_import_is_pinned_for_where_it_runs(
    folders: tuple[str, ...], locks: tuple[str, ...], given: set[str]
) -> None:
    distributions, missing = packages_distributions(), set()
    found = [one for folder in folders for one in imported(ROOT / folder)]
    for path, module in found:
        if module not in given and not {normal(d) for d in distributions.get(module, [module])} & pinned(*locks):
            missing.add((str(path.relative_to(ROOT)), module))

    assert len(found) > 20
    assert missing == set()


@pytest.mark.parametrize("lock", ["bootstrap", "dev", "mutation", "peers", "run"])
def test_every_pinned_distribution_has_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()

    for entry in re.split(r"\n(?=[A-Za-z])", text):
        assert "--hash=sha256:" in entry, entry[:80]
    assert "://" not in text
