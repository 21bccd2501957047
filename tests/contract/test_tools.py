"""AWS's own tools on the template: none of them needs an account."""

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.deploy


def test_sam_finds_nothing_to_say_about_the_template(run_offline: Any) -> None:
    said = run_offline("sam", "validate", "--lint")
    assert "is a valid SAM Template" in said


def test_cfn_lint_finds_nothing_to_say_about_the_template(run_offline: Any) -> None:
    assert run_offline("cfn-lint", "template.yaml") == ""


def test_cfn_lint_finds_nothing_to_say_about_what_sam_makes_of_it(
    run_offline: Any, expanded: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "expanded.json").write_text(json.dumps(expanded))
    assert run_offline("cfn-lint", tmp_path / "expanded.json") == ""


def test_cfn_lint_sees_a_broken_state_machine_in_what_sam_makes_of_it(
    run_offline: Any, expanded: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "broken.json").write_text(json.dumps(expanded).replace('"StartAt"', '"BeginAt"'))
    with pytest.raises(AssertionError, match="E3601"):
        run_offline("cfn-lint", tmp_path / "broken.json")
