"""What the documents say is run or looked up."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for path in ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))


def modules_with_examples() -> list[str]:
    found = []
    for package in ("isthmus", "infra"):
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            origin = Path(*module.name.split("."))
            path = (ROOT / "layers" / "core" / "python" if package == "isthmus" else ROOT) / origin.with_suffix(".py")
            if path.exists() and ">>>" in path.read_text():
                found.append(module.name)
    return found


def test_there_are_examples_to_run() -> None:
    assert len(modules_with_examples()) >= 2


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_in_docstrings_hold(name: str) -> None:
    done = doctest.testmod(importlib.import_module(name))

    assert (done.failed, done.attempted > 0) == (0, True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_make_target_a_document_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for page in PAGES for word in re.findall(r"(?:`|\$ )make ([a-z]+)", page.read_text())}

    assert named
    assert named <= targets
    assert len(targets) <= 12


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = {path.name for path in folder.glob("0*.md")}

    assert set(re.findall(r"\((0[^)]+)\)", (folder / "README.md").read_text())) == pages


def test_no_document_or_source_names_a_registry_or_a_place_on_one_machine() -> None:
    hosts = re.compile(r"(?:pypi|pythonhosted|npmjs|crates|debian|maven)\.(?:org|io|com|net)|/(?:root|home)/\w+")
    files = [
        path for top in ("functions", "infra", "layers", "requirements", "docs") for path in (ROOT / top).rglob("*")
    ]

    for path in [*files, *PAGES, ROOT / "Makefile", ROOT / "pyproject.toml"]:
        if path.is_file() and path.suffix in {".py", ".md", ".txt", ".in", ".toml", ".json", ".yaml", ".mk", ""}:
            assert not hosts.search(path.read_text(errors="replace")), path
