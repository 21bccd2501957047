"""A deployment of one machine at a held time."""

from pathlib import Path

import pytest

from tests.proofs import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An owner, stores and token keys."""
    return Place(tmp_path)
