"""The tree of failures: kind, status, severity and repeat of each, and what a failure may change about itself."""

import json

import pytest

from isthmus import respond
from isthmus.failure import Conflict, Failure, FieldError, Invalid, TooLarge, Unavailable, Unknown, Upstream
from isthmus.request import Channel

KINDS = {
    "invalid": (422, "info", "change-request"),
    "unauthenticated": (401, "notice", "change-request"),
    "forbidden": (403, "notice", "never"),
    "not-found": (404, "info", "never"),
    "conflict": (409, "info", "change-request"),
    "precondition": (409, "warning", "later"),
    "limit": (429, "notice", "later"),
    "funds": (402, "notice", "new-intent"),
    "refused": (422, "notice", "new-intent"),
    "expired": (410, "info", "new-intent"),
    "unavailable": (503, "warning", "same-key"),
    "unknown": (202, "warning", "same-key"),
    "unsupported": (501, "info", "never"),
    "integrity": (500, "critical", "never"),
    "defect": (500, "error", "same-key"),
}


def kinds() -> list[type[Failure]]:
    return [one for one in Failure.__subclasses__() if one.__module__ == Failure.__module__]


def test_the_kinds_are_these() -> None:
    assert {one.kind: (one.status, one.severity, one.repeat) for one in kinds()} == KINDS


@pytest.mark.parametrize("kind", kinds(), ids=lambda one: one.kind)
def test_money_has_not_moved_unless_nobody_knows(kind: type[Failure]) -> None:
    failure = kind("It failed.", next_step="Look.")
    assert failure.problem("one")["money_moved"] == ("unknown" if kind is Unknown else "no")


def test_a_failure_may_be_worse_than_its_kind() -> None:
    failure = Conflict("It failed.", next_step="Look.", severity="error", money_moved="yes")
    problem = failure.problem("one")
    assert (problem["severity"], problem["money_moved"]) == ("error", "yes")
    assert Conflict("It failed.", next_step="Look.").problem("one")["severity"] == "info"


def test_what_is_not_known_yet_is_accepted_and_says_where_it_will_be_known() -> None:
    failure = Unknown("The answer was lost.", next_step="Look there.", location="/v1/payments/7")
    answer = respond.refuse(Channel.HTTP, failure, "one")
    assert (answer["statusCode"], answer["headers"]["location"]) == (202, "/v1/payments/7")
    assert json.loads(answer["body"])["kind"] == "unknown"


def test_a_failure_that_says_only_what_it_must_is_this_document() -> None:
    failure = TooLarge("The body is too large.", next_step="Send less.")

    assert failure.problem("one") == {
        "type": "/problems/invalid",
        "title": "The request is too large",
        "status": 413,
        "detail": "The body is too large.",
        "instance": "one",
        "next_step": "Send less.",
        "kind": "invalid",
        "severity": "info",
        "money_moved": "no",
        "repeat": "change-request",
    }
    assert (failure.code, failure.location, failure.errors, failure.upstream) == ("", "", (), None)


def test_a_failure_that_says_everything_is_this_document() -> None:
    failure = Unavailable(
        "The node is starting.",
        next_step="Wait.",
        code="bitcoin/starting",
        errors=(FieldError("/height", "is too high"), FieldError("", "is empty")),
        upstream=Upstream("bitcoind", -28),
        money_moved="yes",
        retry_after_ms=0,
        severity="critical",
    )
    failure.group = "a1b2"

    assert failure.problem("two") == {
        "type": "/problems/unavailable/bitcoin/starting",
        "title": "A neighbour is unavailable",
        "status": 503,
        "detail": "The node is starting.",
        "instance": "two",
        "next_step": "Wait.",
        "kind": "unavailable",
        "severity": "critical",
        "money_moved": "yes",
        "repeat": "same-key",
        "errors": [{"pointer": "/height", "message": "is too high"}, {"pointer": "", "message": "is empty"}],
        "upstream": {"system": "bitcoind", "code": -28},
        "retry_after_ms": 0,
        "group": "a1b2",
    }


def test_a_failure_reads_as_what_happened_and_what_to_do_next() -> None:
    failure = Invalid("It failed.", next_step="Look.")

    assert str(failure) == "It failed. Look."
    assert repr(failure) == "Invalid('It failed.', 'Look.')"
