"""Failures of one cause have one fingerprint, whatever they were asked and wherever the lines have moved."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isthmus.failure import Defect, Integrity, NotFound, Unavailable, Upstream
from isthmus.faults import analysis, groups
from isthmus.faults.fingerprint import causes, fingerprint, normalised
from isthmus.faults.reports import Reporter
from isthmus.fields import Request, Response
from isthmus.operation import Effect, Operation, operation
from isthmus.storage.adapters.sqlite import SqliteTable
from tests.callers import OWNER

EVENT = {"requestContext": {"requestId": "r", "http": {"method": "GET"}, "authorizer": OWNER}}


class Ask(Request):
    """Nothing."""


def source(name: str, inner: str, body: str, lines_above: int) -> str:
    """An operation that fails three calls deep, with some lines more or less above it."""
    above = "\n" * lines_above
    return (
        f"{above}def {inner}(n):\n    {body}\n{above}def middle(n):\n    return {inner}(n)\n"
        f"def {name}(request: Ask) -> Response:\n    'Fail.'\n    middle(next(numbers))\n"
    )


def failing(name: str, inner: str, body: str, numbers: Iterator[int], lines_above: int) -> Operation:
    scope: dict[str, Any] = {
        "__name__": f"functions.synthetic.{name}",
        "Ask": Ask,
        "Response": Response,
        "numbers": numbers,
        "Defect": Defect,
        "Integrity": Integrity,
        "Unavailable": Unavailable,
        "Upstream": Upstream,
    }
    exec(source(name, inner, body, lines_above), scope)
    return operation(f"GET /v1/{name}", effect=Effect.READ)(scope[name])


SAYING = "f'Block {n:064x} at {n} is odd.', next_step='Look.'"
CAUSES = [
    *(
        ("parse", "decode", f"raise {error}(f'bad {{n}}')")
        for error in ("ValueError", "KeyError", "TypeError", "IndexError", "OSError")
    ),
    *(
        ("ask", "call", f"raise Unavailable({SAYING}, upstream=Upstream('bitcoin', {code}))")
        for code in ("-28", "-1", "'http-503'", "'http-500'", "None")
    ),
    *(("check", f"compare_{what}", f"raise Integrity({SAYING})") for what in ("root", "sum", "hash", "size", "order")),
    *((f"read_{what}", "load", f"raise Unavailable({SAYING})") for what in ("fee", "block", "tip", "run", "state")),
    *(
        ("store", "write", f"raise Defect({SAYING}) from {error}(f'{{n}}')")
        for error in ("ValueError", "KeyError", "TypeError", "IndexError", "OSError")
    ),
]


@pytest.mark.parametrize("seed", range(2))
def test_a_thousand_failures_of_twenty_five_causes_become_twenty_five_groups(tmp_path: Path, seed: int) -> None:
    table, clock = SqliteTable(tmp_path / "table.sqlite"), itertools.count(1_700_000_000_000, 5_000)
    reporter = Reporter(lambda: table, lambda: next(clock), patience_s=30)
    by_cause: dict[int, set[str]] = {}
    numbers = itertools.count(seed * 7919)
    for turn in range(40):
        for number, cause in enumerate(CAUSES):
            broken = failing(*cause, numbers, lines_above=(turn + seed) % 5)
            document = json.loads(broken(EVENT, None)["body"])
            by_cause.setdefault(number, set()).add(document["group"])
            failure = Defect("It failed.", next_step="Look.")
            failure.group = document["group"]
            reporter.report(broken.name, "http", "r", failure)

    found = analysis.analyze(table, next(clock))

    assert len(by_cause) == 25
    assert {len(ids) for ids in by_cause.values()} == {1}
    assert (found.reports, found.groups) == (1_000, 25)
    assert {group.group for group in groups.everything(table)} == set().union(*by_cause.values())
    assert {group.total for group in groups.everything(table)} == {40}


def test_a_failure_without_a_stack_is_known_by_its_sentence() -> None:
    def told(detail: str) -> str:
        return fingerprint("bitcoin.get_block", NotFound(detail, next_step="Look."))

    assert told("Block 5 is not there.") == told("Block 77 is not there.")
    assert told("Block 5 is not there.") != told("Run 5 is not there.")


def test_what_counts_is_the_operation_the_kind_and_the_neighbours_code() -> None:
    def of(name: str, code: int) -> str:
        return fingerprint(name, Unavailable("No.", next_step="Wait.", upstream=Upstream("bitcoin", code)))

    assert len({of("a.b", -28), of("a.b", -1), of("a.c", -28)}) == 3
    assert fingerprint("a.b", Defect("No.", next_step="Wait.")) != fingerprint(
        "a.b", NotFound("No.", next_step="Wait.")
    )


def test_a_fingerprint_says_its_version() -> None:
    version, digest = fingerprint("a.b", Defect("No.", next_step="Wait.")).split(":")
    assert (version, len(bytes.fromhex(digest))) == ("v1", 32)


def test_a_chain_of_causes_that_closes_on_itself_ends() -> None:
    first, second = ValueError("one"), KeyError("two")
    first.__cause__, second.__cause__ = second, first
    assert len(list(causes(first))) == 10


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("height 840000", "height <number>"),
        ("at 0.00012 of -3", "at <number> of <number>"),
        ("block 0000000000000000000320283a032748cef8227873ff4872689bf23f1cda83a5", "block <hash>"),
        ("to bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "to <address>"),
        ("to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "to <address>"),
        ("to SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7", "to <address>"),
        ("pay lnbc20m1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqf", "pay <invoice>"),
        ("by did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK", "by <did>"),
        ("in 123e4567-e89b-12d3-a456-426614174000", "in <uuid>"),
        ("at 10.1.2.3:8332", "at <ip>"),
        ("at fe80::1:2:3", "at <ip>"),
        ("from https://user:pw@host.example/path", "from <url>"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_what_varies_is_replaced_by_what_it_is(text: str, shown: str) -> None:
    assert normalised(text) == shown
