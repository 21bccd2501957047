import shutil
from pathlib import Path

import pytest

from infra.template.__main__ import main
from infra.template.files import outdated


@pytest.fixture
def elsewhere(root: Path, tmp_path: Path) -> Path:
    """A copy of what the generator reads."""
    shutil.copy(root / "pyproject.toml", tmp_path)
    for folder in ("statemachines", "policies"):
        shutil.copytree(root / "infra" / folder, tmp_path / "infra" / folder)
    return tmp_path


def test_every_derived_file_is_what_the_operations_say(root: Path, derived: dict[Path, str]) -> None:
    stale = [str(path) for path in outdated(derived, root)]
    assert stale == [], f"{', '.join(stale)}: run `make template` and commit what it writes"


def test_deriving_twice_gives_the_same_bytes(root: Path, derived: dict[Path, str]) -> None:
    from infra.template.files import derive
    from isthmus.catalogue import operations

    assert derive(operations(), root) == derived


def test_the_check_passes_on_what_was_just_written(elsewhere: Path) -> None:
    main([], elsewhere)
    assert main(["--check"], elsewhere) == 0


@pytest.mark.parametrize("change", ["missing", "different", "superfluous"])
def test_the_check_names_the_repairing_command_and_changes_nothing(
    elsewhere: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main([], elsewhere)
    page = elsewhere / "docs/errors/conflict.md"
    if change == "missing":
        page.unlink()
    elif change == "different":
        page.write_text("something else")
    else:
        page = elsewhere / "docs/operations/gone.md"
        page.write_text("a domain that is no more")
    before = page.read_text() if page.exists() else None
    capsys.readouterr()

    assert main(["--check"], elsewhere) == 1
    assert capsys.readouterr().out == (
        f"{page.relative_to(elsewhere)} is not what the operations say: run `make template`\n"
    )
    assert (page.read_text() if page.exists() else None) == before


def test_writing_repairs_what_the_check_found(elsewhere: Path) -> None:
    main([], elsewhere)
    (elsewhere / "template.yaml").write_text("broken")
    (elsewhere / "docs/operations/gone.md").write_text("a domain that is no more")

    assert main([], elsewhere) == 0
    assert main(["--check"], elsewhere) == 0
    assert not (elsewhere / "docs/operations/gone.md").exists()
