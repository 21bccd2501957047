"""What people are told when something is refused: what happened and what to do, in sentences."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from isthmus.failure import Failure

_TYPE = re.compile(r"/problems/[a-z-]+(/[a-z0-9-]+)*")
_SENTENCES = re.compile(r"([A-Z0-9]|[a-z]+_[a-z]).*[.?]", re.DOTALL)
_PHRASE = re.compile(r"`?[A-Za-z0-9][a-z0-9_ ].*[^.]", re.DOTALL)


def check_readable(problem: Mapping[str, Any]) -> None:
    """See that a problem document has sentences for its reader, and says of each refused field what is wrong."""
    assert _TYPE.fullmatch(problem["type"]), problem["type"]
    for said in (problem["detail"], problem["next_step"]):
        assert _SENTENCES.fullmatch(said), said
        assert said != said.upper(), said
    for error in problem.get("errors", ()):
        assert error["pointer"] == "" or error["pointer"].startswith("/"), error
        assert _PHRASE.fullmatch(error["message"]), error
        assert error["message"] != error["message"].upper(), error


def refusal(ask: Callable[[], object]) -> tuple[type[Failure], str]:
    """Kind and code of what is refused, in sentences."""
    with pytest.raises(Failure) as refused:
        ask()
    check_readable(refused.value.problem("one"))
    return type(refused.value), refused.value.code
