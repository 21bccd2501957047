"""Every operation asked by every kind of caller, against the table in docs/access-matrix.md that people wrote.

The table is not derived from anything: a new operation is refused here until somebody has decided who may use it, and a
policy that lets somebody in, or shuts somebody out, is refused until the table says so too.
"""

import json
import re
import sys
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from isthmus import wiring
from isthmus.access.caller import ANONYMOUS, Caller
from isthmus.catalogue import operations
from isthmus.failure import Failure, Forbidden, Invalid
from isthmus.fields import MAX_MSAT, Response
from isthmus.operation import Operation
from isthmus.ports import Clock
from isthmus.request import Channel
from tests.callers import ALL_SCOPES
from tests.security.samples import event, plainest

TABLE = Path(__file__).parents[2] / "docs/access-matrix.md"
NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000


def _person(role: str, kind: str = "did", **other: Any) -> Caller:
    told = {"scopes": ALL_SCOPES, "authenticated_ms": NOW_MS, "max_msat": MAX_MSAT} | other
    return Caller(kind, f"the-{role}", role, **told)  # type: ignore[arg-type]


COLUMNS: dict[str, tuple[Channel, Caller]] = {
    "owner": (Channel.HTTP, _person("owner", scopes=("*",))),
    "owner, old proof": (Channel.HTTP, _person("owner", scopes=("*",), authenticated_ms=NOW_MS - HOUR_MS)),
    "owner's key": (Channel.HTTP, _person("owner", "key")),
    "other owner": (Channel.HTTP, _person("owner", tenant="other")),
    "operator": (Channel.HTTP, _person("operator")),
    "auditor": (Channel.HTTP, _person("auditor")),
    "client": (Channel.HTTP, _person("client")),
    "client's key": (Channel.HTTP, _person("client", "key")),
    "no scopes": (Channel.HTTP, _person("client", scopes=())),
    "anonymous": (Channel.HTTP, ANONYMOUS),
    "execution": (Channel.TASK, Caller("execution", "arn:execution", "system")),
    "schedule": (Channel.SCHEDULE, Caller("schedule", "rule", "system")),
    "letter": (Channel.LETTER, Caller("letter", "", "system")),
}

REFUSALS: dict[int, dict[str, Any]] = {
    403: {
        "type": "/problems/forbidden/access/denied",
        "title": "The caller may not do this",
        "status": 403,
        "detail": "No policy lets this caller do this.",
        "instance": "r",
        "next_step": "POST /v1/access/check says what would be needed.",
        "kind": "forbidden",
        "severity": "notice",
        "money_moved": "no",
        "repeat": "never",
    },
    401: {
        "type": "/problems/unauthenticated/auth/none",
        "title": "The caller is not known",
        "status": 401,
        "detail": "The request says not who asks.",
        "instance": "r",
        "next_step": "Send a DPoP access token from POST /v1/auth/token with its proof, a signature (RFC 9421), or an "
        "API key.",
        "kind": "unauthenticated",
        "severity": "notice",
        "money_moved": "no",
        "repeat": "change-request",
    },
}


@dataclass(frozen=True)
class StoppedClock:
    def now_ms(self) -> int:
        return NOW_MS


def _rows() -> dict[str, dict[str, str]]:
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["operation", *COLUMNS], "the table's columns are not those of this test"
    names = [row[0] for row in cells[1:]]
    assert sorted(set(names)) == sorted(names), "an operation has two rows"
    return {row[0]: dict(zip(COLUMNS, row[1:], strict=True)) for row in cells[1:]}


ROWS = _rows()
BY_NAME = {one.action.name: one for one in operations()}


def test_every_operation_has_its_row_and_every_row_its_operation() -> None:
    undecided, gone = sorted(BY_NAME.keys() - ROWS), sorted(ROWS.keys() - BY_NAME.keys())
    empty = "".join(f"\n| `{name}` |{' ? |' * len(COLUMNS)}" for name in undecided)
    assert not undecided, (
        f"{TABLE.name} does not say who may use {', '.join(undecided)}. Decide for each of {', '.join(COLUMNS)}: yes; "
        f"403 or 401 for a request over HTTPS; no for an event of the platform. Add to the table:{empty}\n"
        "and change infra/policies/*.cedar and run `make template` if the policies decide otherwise."
    )
    assert not gone, f"{TABLE.name} speaks of operations that are no more; remove the rows of {', '.join(gone)}"


def test_the_table_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    cells = [cell for row in ROWS.values() for cell in row.values()]
    assert set(cells) <= {"yes", "no", "401", "403"}
    assert len(cells) == len(operations()) * len(COLUMNS)
    with capsys.disabled():
        sys.stdout.write(f"\n{len(ROWS)} operations x {len(COLUMNS)} callers = {len(cells)} cells\n")


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_each_caller_gets_what_the_table_says(name: str) -> None:
    found = {column: _cell(BY_NAME[name], *asked) for column, asked in COLUMNS.items()}
    assert found == ROWS.get(name), (
        f"the policies and {TABLE.name} disagree on {name}; whichever is wrong, change it: "
        "infra/policies/*.cedar with `make template`, or the row"
    )


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_stream_may_start_what_a_schedule_may_and_brings_no_request(name: str) -> None:
    operation = BY_NAME[name]
    found = _cell(operation, Channel.STREAM, Caller("schedule", "", "system"))
    needy = any(field.is_required() for field in operation.request.model_fields.values())
    assert found == ("no" if needy else ROWS[name]["schedule"])
    assert found == "yes" or not operation.follows


def _cell(operation: Operation, channel: Channel, caller: Caller) -> str:
    """What the operation's real control flow makes of a real event, with nothing behind it."""
    reached: list[str] = []

    @wraps(operation.function)
    def function(*_: Any, **__: Any) -> Response:
        reached.append(operation.name)
        return Response()

    fields = plainest(operation)
    if caller.tenant != "main" and "tenant" in operation.request.model_fields:
        fields["tenant"] = "main"
    nothing = {port: object() for port in operation.ports.values()}
    under_test = replace(operation, function=function, guarded=False)
    with wiring.replaced({**nothing, Clock: StoppedClock()}):
        answer = _asked(under_test, channel, event(channel, operation, caller, fields))
    if not isinstance(answer, Failure) and (channel is not Channel.HTTP or answer["statusCode"] == operation.status):
        assert reached == [operation.name]
        return "yes"
    assert reached == []
    if channel is Channel.HTTP:
        return _refused(answer)
    if channel in (Channel.LETTER, Channel.STREAM) and isinstance(answer, Invalid):
        return "no"  # a request that needs more than they bring is refused before anybody asks who brings it
    assert isinstance(answer, Forbidden)
    return "no"


def _asked(operation: Operation, channel: Channel, given: dict[str, Any]) -> Any:
    try:
        return operation(given, None)
    except Failure as failure:
        assert channel is not Channel.HTTP
        return failure


def _refused(answer: dict[str, Any]) -> str:
    """The status of a refusal that says nothing but that it is one."""
    body = json.loads(answer["body"])
    assert re.fullmatch(r"v\d+:[0-9a-f]{64}", body.pop("group"))
    assert body == REFUSALS.get(answer["statusCode"]), "another answer than an operation's own or a bare refusal"
    assert ("www-authenticate" in answer["headers"]) == (answer["statusCode"] == 401)
    return str(answer["statusCode"])
