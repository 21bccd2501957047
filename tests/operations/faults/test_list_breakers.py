"""Listing breakers."""

from typing import Any

from functions.faults.list_breakers import ListBreakers, list_breakers
from isthmus.faults.breaker import PARTITION, Breaker


def test_each_breaker_says_how_it_stands(mailbox: Any) -> None:
    opened = Breaker("open", since_ms=1, until_ms=2, pause_ms=3)
    mailbox.table.put(PARTITION, "bitcoin", opened.item())
    mailbox.table.put(PARTITION, "spend:lightning", Breaker("held", since_ms=4).item())

    found = list_breakers.function(ListBreakers(), mailbox.table)

    assert [one.model_dump() for one in found.breakers] == [
        {"neighbour": "bitcoin", "state": "open", "outages": 0, "since_ms": 1, "until_ms": 2, "pause_ms": 3},
        {"neighbour": "spend:lightning", "state": "held", "outages": 0, "since_ms": 4, "until_ms": 0, "pause_ms": 0},
    ]


def test_a_neighbour_that_never_failed_has_none(mailbox: Any) -> None:
    assert list_breakers.function(ListBreakers(), mailbox.table).breakers == ()
