"""Repeating events on which functions failed for good."""

from typing import Any

import pytest

from functions.faults.redrive import redrive
from isthmus.failure import Conflict, NotFound, Precondition, Unavailable
from isthmus.faults import letters
from isthmus.faults.models import OfLetter


def redriven(mailbox: Any, letter_id: str) -> Any:
    return redrive.function(OfLetter(letter_id=letter_id), mailbox.table, mailbox, mailbox.clock)


def test_the_same_function_gets_the_same_event(mailbox: Any) -> None:
    kept = mailbox.keep(mailbox.record())
    sent = redriven(mailbox, kept["letter_id"])
    assert mailbox.started == [(mailbox.arn, mailbox.scheduled)]
    assert (sent.state, sent.redriven_ms) == ("redriven", mailbox.clock.now)


def test_it_is_redriven_once_until_it_fails_again(mailbox: Any) -> None:
    kept = mailbox.keep(mailbox.record())
    redriven(mailbox, kept["letter_id"])
    with pytest.raises(Conflict):
        redriven(mailbox, kept["letter_id"])
    assert len(mailbox.started) == 1

    again = mailbox.keep(mailbox.record("i2"))

    assert (again["letter_id"], again["state"], again["attempts"]) == (kept["letter_id"], "waiting", 6)
    redriven(mailbox, kept["letter_id"])
    assert len(mailbox.started) == 2


def test_after_an_hour_without_a_word_it_may_be_redriven_again(mailbox: Any) -> None:
    kept = mailbox.keep(mailbox.record())
    redriven(mailbox, kept["letter_id"])
    mailbox.clock.now += letters.REDRIVEN_MS
    redriven(mailbox, kept["letter_id"])
    assert len(mailbox.started) == 2


@pytest.mark.parametrize(
    "refusal",
    [NotFound("Gone.", next_step="Discard it."), Unavailable("No answer.", next_step="Repeat.")],
    ids=["the function is gone", "no answer"],
)
def test_a_letter_that_was_not_taken_waits_again(mailbox: Any, refusal: Any) -> None:
    kept = mailbox.keep(mailbox.record())
    mailbox.refuses = refusal
    with pytest.raises(type(refusal)):
        redriven(mailbox, kept["letter_id"])
    assert letters.find(mailbox.table, kept["letter_id"], mailbox.clock.now).state == "waiting"


def test_what_was_discarded_or_not_kept_is_not_repeated(mailbox: Any) -> None:
    kept = mailbox.keep(mailbox.record())
    letters.discard(mailbox.table, kept["letter_id"], "done by hand", mailbox.clock.now)
    large = mailbox.keep(mailbox.record("i2", event={"x": "y" * 400_000}))
    for letter_id in (kept["letter_id"], large["letter_id"]):
        with pytest.raises(Precondition):
            redriven(mailbox, letter_id)
    assert mailbox.started == []


def test_a_letter_that_does_not_exist_is_not_found(mailbox: Any) -> None:
    with pytest.raises(NotFound):
        redriven(mailbox, "0" * 32)
