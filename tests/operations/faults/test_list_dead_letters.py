"""Listing events on which functions failed for good."""

from typing import Any

from functions.faults.list_dead_letters import DeadLetters, ListDeadLetters, list_dead_letters
from isthmus.faults import letters


def listed(mailbox: Any, **asked: Any) -> DeadLetters:
    found = list_dead_letters.function(ListDeadLetters(**asked), mailbox.table, mailbox.clock)
    assert isinstance(found, DeadLetters)
    return found


def test_what_failed_last_comes_first(mailbox: Any) -> None:
    mailbox.keep(mailbox.record("i1", event={"n": 1}))
    mailbox.clock.now += 1
    mailbox.keep(mailbox.record("i2", event={"n": 2}))
    assert [one.event for one in listed(mailbox).letters] == ['{"n": 2}', '{"n": 1}']


def test_a_state_and_a_limit_may_be_asked_for(mailbox: Any) -> None:
    for number in range(3):
        kept = mailbox.keep(mailbox.record(f"i{number}", event={"n": number}))
    letters.discard(mailbox.table, kept["letter_id"], "done by hand", mailbox.clock.now)
    found = listed(mailbox, state="waiting", limit=1)
    assert (len(found.letters), found.total) == (1, 2)
    assert [one.discarded for one in listed(mailbox, state="discarded").letters] == ["done by hand"]


def test_a_discarded_letter_is_listed_for_ninety_days(mailbox: Any) -> None:
    kept = mailbox.keep(mailbox.record())
    letters.discard(mailbox.table, kept["letter_id"], "done by hand", mailbox.clock.now)
    mailbox.clock.now += 90 * 86_400_000 - 1_000
    assert listed(mailbox).total == 1
    mailbox.clock.now += 1_000
    assert listed(mailbox).total == 0
