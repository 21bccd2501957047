"""What a caller reads when a call to a foreign host fails."""

from typing import get_args

import pytest

from isthmus.outbound.policy import Reason, lost, misused, refused

SENTENCES = {
    "unreachable": "The foreign host cannot be reached. Check that it is up, then repeat.",
    "tls": "The foreign host's certificate does not vouch for its name. Tell its owner, then repeat.",
    "timeout": "The foreign host did not answer in time. Repeat a little later.",
    "cut": "The foreign host ended the connection before its answer was whole. Repeat a little later.",
    "answer": "The foreign host's answer is not plain HTTP/1.1. Tell its owner: uncompressed, one length.",
    "too-large": "The foreign host's answer is larger than Isthmus reads. Tell its owner, or ask for less.",
    "redirect": "The foreign host sent us elsewhere, and we do not go. Use the address where it really is.",
}


@pytest.mark.parametrize("reason", get_args(Reason))
def test_a_lost_answer_says_why_and_that_nothing_happened(reason: Reason) -> None:
    failure = lost(reason)

    assert (str(failure), failure.code, failure.money_moved) == (SENTENCES[reason], f"outbound/{reason}", "no")


@pytest.mark.parametrize("reason", get_args(Reason))
def test_a_lost_answer_to_what_may_have_had_an_effect_asks_to_look_before_repeating(reason: Reason) -> None:
    failure = lost(reason, acted=True)

    assert str(failure).startswith(lost(reason).detail)
    assert failure.next_step == "Look whether the request took effect before you repeat it."
    assert (failure.code, failure.money_moved) == (f"outbound/{reason}", "unknown")


def test_a_refused_address_and_a_misuse_say_what_to_do() -> None:
    assert str(refused()) == (
        "The address is not one that Isthmus calls. "
        "Use https, the name of a public host in its plain form, and the usual port."
    )
    assert str(misused("A call asks for too much.")) == "A call asks for too much. Report it with the instance id."
