"""The log: one line of JSON each."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from isthmus import log

Logged = Callable[[], list[dict[str, Any]]]


def test_a_line_says_what_happened_with_its_fields(logged: Logged) -> None:
    log.line("WARNING", "breaker", breaker="bitcoin", pause_ms=1_000)
    (line,) = logged()
    at = datetime.fromisoformat(line.pop("timestamp"))
    assert timedelta(0) <= datetime.now(UTC) - at < timedelta(minutes=1)
    assert line == {
        "level": "WARNING",
        "message": "breaker",
        "service": "isthmus",
        "breaker": "bitcoin",
        "pause_ms": 1_000,
    }


def test_a_line_is_written_whatever_its_fields_are(logged: Logged) -> None:
    log.line("INFO", "two\nlines", half="\ud800", amount=Decimal("0.1"), big=2**80, kinds={"a": (1, None)})
    (line,) = logged()
    assert line["message"] == "two\nlines"
    assert (line["amount"], line["big"], line["kinds"]) == ("0.1", 2**80, {"a": [1, None]})
