"""Keeping events on which a function failed for good."""

import json
from typing import Any

import pytest

from functions.faults.keep_letter import keep_letter
from isthmus import wiring
from isthmus.failure import Forbidden
from isthmus.faults import letters
from isthmus.ports import Clock, Table


def test_the_event_is_kept_as_it_was_with_what_is_known_of_the_failure(mailbox: Any) -> None:
    kept = mailbox.keep(mailbox.record())

    assert json.loads(kept["event"]) == mailbox.scheduled
    assert (kept["function"], kept["error"], kept["reason"]) == (
        "isthmus-ReconcileChain",
        "Unavailable",
        "RetriesExhausted",
    )
    assert (kept["state"], kept["attempts"], kept["failures"]) == ("waiting", 3, 1)
    assert kept["first_ms"] == kept["last_ms"] == mailbox.clock.now


def test_a_record_that_arrives_twice_is_one_letter_and_one_failure(mailbox: Any) -> None:
    kept = mailbox.keep(mailbox.record("i1"), mailbox.record("i1"))
    assert (kept["attempts"], kept["failures"]) == (3, 1)
    assert len(letters.everything(mailbox.table, mailbox.clock.now)) == 1


def test_the_same_event_that_fails_again_is_the_same_letter(mailbox: Any) -> None:
    kept = mailbox.keep(mailbox.record("i1"), mailbox.record("i2", error="Conflict"))
    assert (kept["attempts"], kept["failures"], kept["error"]) == (6, 2, "Conflict")


def test_another_event_is_another_letter(mailbox: Any) -> None:
    mailbox.keep(mailbox.record("i1"), mailbox.record("i2", event={"source": "aws.scheduler", "id": "other"}))
    assert len(letters.everything(mailbox.table, mailbox.clock.now)) == 2


def test_an_event_too_large_for_the_table_is_a_letter_without_it(mailbox: Any) -> None:
    assert mailbox.keep(mailbox.record(event={"x": "y" * 400_000}))["event"] == ""


def test_a_record_without_the_function_s_last_words_is_kept_too(mailbox: Any) -> None:
    record = mailbox.record()
    del record["responsePayload"]
    assert mailbox.keep(record)["error"] == ""


def test_a_schedule_may_not_write_letters(mailbox: Any) -> None:
    known = {"id": "i", "function_arn": mailbox.arn, "reason": "r", "attempts": 1, "event": {}, "error": ""}
    event = {"source": "aws.scheduler", "resources": ["x"], "detail": known}
    with wiring.replaced({Table: mailbox.table, Clock: mailbox.clock}), pytest.raises(Forbidden):
        keep_letter(event, None)
    assert letters.everything(mailbox.table, mailbox.clock.now) == []
