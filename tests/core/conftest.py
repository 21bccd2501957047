"""What a function has logged."""

import json
from collections.abc import Callable
from typing import Any

import pytest

Logged = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Logged:
    """The lines of the log since it was last asked."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
