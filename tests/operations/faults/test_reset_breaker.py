"""Resetting a breaker."""

from typing import Any

import pytest

from functions.faults.reset_breaker import ResetBreaker, reset_breaker
from isthmus.failure import NotFound
from isthmus.faults.breaker import PARTITION, Breaker, breaker_of


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("bitcoin", Breaker("open", since_ms=1, until_ms=10**15, pause_ms=30_000, version=7)),
        ("bitcoin", Breaker("half-open", since_ms=1, until_ms=10**15, probe="r1", version=8)),
        ("spend:bitcoin", Breaker("held", since_ms=1)),
    ],
    ids=["open", "half-open", "brake"],
)
def test_requests_go_through_again(mailbox: Any, name: str, before: Breaker) -> None:
    mailbox.table.put(PARTITION, name, before.item())
    shown = reset_breaker.function(ResetBreaker(neighbour=name), mailbox.table, mailbox.clock)
    assert (shown.neighbour, shown.state, shown.pause_ms) == (name, "closed", 0)
    assert breaker_of(mailbox.table.get(PARTITION, name)).state == "closed"


def test_a_breaker_that_does_not_exist_is_not_found(mailbox: Any) -> None:
    with pytest.raises(NotFound):
        reset_breaker.function(ResetBreaker(neighbour="nobody"), mailbox.table, mailbox.clock)
