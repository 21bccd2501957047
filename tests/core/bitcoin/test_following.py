"""Which events a transaction's sightings make: every row of the table, and every way a reorganisation can go."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus import journal
from isthmus.bitcoin.following import SETTLED_AT, TRANSACTION, Sighting, events
from isthmus.journal import Head

SEEN = Sighting("a" * 64, 0, "", 0, abandoned=False, told={"net_sat": 5_000})


def after(head: Head, *sightings: Sighting) -> tuple[Head, list[str]]:
    """The head after these sightings, and the events they made."""
    made: list[str] = []
    for seen in sightings:
        for event, data in events(head, seen):
            head = journal.draft(TRANSACTION, head, event, data, now_ms=1, by="test").head
            made.append(event)
    return head, made


def block(name: str, confirmations: int = 1) -> Sighting:
    return replace(SEEN, confirmations=confirmations, block_hash=name, height=7)


@pytest.mark.parametrize(
    ("sightings", "made"),
    [
        ([SEEN], ["seen"]),
        ([SEEN, SEEN], ["seen"]),
        ([SEEN, block("a"), block("a", 2)], ["seen", "confirmed"]),
        ([block("a", SETTLED_AT)], ["confirmed", "settled"]),
        ([block("a", SETTLED_AT - 1), block("a", SETTLED_AT), block("a", 99)], ["confirmed", "settled"]),
        ([block("a"), SEEN], ["confirmed", "reorged", "seen"]),
        ([block("a"), block("b")], ["confirmed", "reorged", "confirmed"]),
        ([block("a", 9), block("b", 8)], ["confirmed", "settled", "reorged", "confirmed", "settled"]),
        ([block("a"), block("x", -2)], ["confirmed", "reorged", "conflicted"]),
        ([SEEN, block("x", -1), block("x", -5)], ["seen", "conflicted"]),
        ([SEEN, replace(SEEN, abandoned=True), replace(SEEN, abandoned=True), SEEN], ["seen", "dropped", "seen"]),
        ([block("x", -1), block("a")], ["conflicted", "confirmed"]),
    ],
)
def test_what_is_seen_makes_these_events(sightings: list[Sighting], made: list[str]) -> None:
    assert after(journal.fresh("t"), *sightings)[1] == made


sightings = st.builds(
    lambda confirmations, name, abandoned: replace(
        SEEN,
        confirmations=confirmations,
        block_hash=name if confirmations else "",
        abandoned=abandoned and confirmations == 0,
    ),
    st.integers(-3, 9),
    st.sampled_from("abc"),
    st.booleans(),
)


@given(st.lists(sightings, max_size=12))
def test_whatever_is_seen_in_whatever_order_the_state_is_that_of_the_last_sighting(seen: list[Sighting]) -> None:
    head, made = after(journal.fresh("t"), *seen)
    if seen:
        assert head.state in set(_possible(seen[-1], bool(made)))
    assert after(head, *seen[-1:])[1] == []


@given(st.lists(sightings, max_size=12))
def test_what_a_block_said_is_taken_back_before_another_says_something(seen: list[Sighting]) -> None:
    head, said = journal.fresh("t"), ""
    for one in seen:
        for event, data in events(head, one):
            if event == "confirmed":
                assert said == ""
                said = data["block_hash"]
            if event == "reorged":
                assert data["left_block_hash"] == said
                said = ""
            head = journal.draft(TRANSACTION, head, event, data, now_ms=1, by="test").head


def _possible(seen: Sighting, known: Any) -> Iterator[str]:
    if seen.confirmations >= SETTLED_AT:
        yield "settled"
    elif seen.confirmations >= 1:
        yield from ("confirmed", "settled")
    elif seen.confirmations < 0:
        yield "conflicted"
    else:
        yield "dropped" if seen.abandoned and known else "" if seen.abandoned else "waiting"
