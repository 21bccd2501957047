"""Giving up events on which functions failed for good."""

from typing import Any

import pytest

from functions.faults.discard import Discard, discard
from isthmus.failure import NotFound
from isthmus.faults import letters


def discarded(mailbox: Any, letter_id: str) -> Any:
    asked = Discard(letter_id=letter_id, reason="done by hand")
    return discard.function(asked, mailbox.table, mailbox.clock)


def test_the_letter_stays_for_ninety_days_with_the_reason(mailbox: Any) -> None:
    kept = mailbox.keep(mailbox.record())
    given_up = discarded(mailbox, kept["letter_id"])
    assert (given_up.state, given_up.discarded) == ("discarded", "done by hand")
    item = mailbox.table.get(letters.LETTERS, kept["letter_id"])
    assert item["expires_at"] == mailbox.clock.now // 1000 + 90 * 86_400


def test_an_event_that_fails_again_is_news_again(mailbox: Any) -> None:
    kept = mailbox.keep(mailbox.record())
    discarded(mailbox, kept["letter_id"])
    again = mailbox.keep(mailbox.record("i2"))
    assert (again["state"], again["discarded"]) == ("waiting", "")
    assert "expires_at" not in mailbox.table.get(letters.LETTERS, kept["letter_id"])


def test_a_letter_that_does_not_exist_is_not_found(mailbox: Any) -> None:
    with pytest.raises(NotFound):
        discarded(mailbox, "0" * 32)
