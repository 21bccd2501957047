"""What the system starts with, and what of it is kept for the next start."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from infra.local.expand import Stack
from infra.local.expanding import expanded
from infra.local.intrinsics import TemplateError


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "kept.json"


def started(template: Path, kept: Path) -> Stack:
    return asyncio.run(expanded(template, kept))


def like(stack: Stack) -> Any:
    return json.loads(json.dumps(asdict(stack)))


def marked(kept: Path) -> None:
    """Change what is kept, so that it shows when it is used."""
    kept.write_text(kept.read_text().replace("rate(1 minute)", "rate(2 minutes)"))


def expressions(stack: Stack) -> set[str]:
    return {one.expression for one in stack.schedules}


def test_another_process_transforms_it_and_this_one_does_the_rest(template: Path, kept: Path, stack: Stack) -> None:
    assert like(started(template, kept)) == like(stack)


def test_the_next_start_takes_what_the_first_has_kept(template: Path, kept: Path, stack: Stack) -> None:
    started(template, kept)
    assert like(started(template, kept)) == like(stack)
    marked(kept)
    assert "rate(2 minutes)" in expressions(started(template, kept))


def test_a_changed_template_is_transformed_anew(template: Path, kept: Path) -> None:
    started(template, kept)
    marked(kept)
    template.write_text(template.read_text().replace("rate(1 minute)", "rate(3 minutes)"))
    assert "rate(3 minutes)" in expressions(started(template, kept))


def test_a_changed_definition_is_read_anew(template: Path, kept: Path) -> None:
    started(template, kept)
    definition = template.parent / "double.asl.json"
    definition.write_text(definition.read_text().replace("Double", "Twice"))
    assert started(template, kept).machines[0].definition["StartAt"] == "Twice"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"made_of": 1'])
def test_what_was_kept_and_is_damaged_is_made_anew(template: Path, kept: Path, stack: Stack, content: str) -> None:
    kept.write_text(content)
    assert like(started(template, kept)) == like(stack)
    assert json.loads(kept.read_text())["made_of"]


def test_where_nothing_can_be_kept_it_starts_all_the_same(template: Path, tmp_path: Path, stack: Stack) -> None:
    assert like(started(template, tmp_path / "absent" / "kept.json")) == like(stack)


def test_what_is_wrong_with_a_template_is_told_each_time_and_not_kept(template: Path, kept: Path) -> None:
    template.write_text("Resource: {}")
    for _ in range(2):
        with pytest.raises(TemplateError, match="no Resources"):
            started(template, kept)
    assert not kept.exists()


def test_only_the_user_may_read_what_is_kept(template: Path, kept: Path) -> None:
    started(template, kept)
    assert kept.stat().st_mode & 0o077 == 0
