"""What is another tenant's and what is not there get the same answer, to the byte."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from functions.access.check_access import check_access
from functions.access.list_key_usage import list_key_usage
from functions.access.revoke_access import revoke_access
from functions.access.revoke_key import revoke_key
from functions.bitcoin.unwatch import unwatch
from isthmus import wiring
from isthmus.access import api_keys, principals
from isthmus.access.api_keys import Wish
from isthmus.access.budgets import Limits
from isthmus.access.caller import Caller
from isthmus.access.principals import Principal
from isthmus.bitcoin import watches
from isthmus.bitcoin.watches import Subject
from isthmus.fields import MAX_MSAT
from isthmus.operation import Operation
from isthmus.ports import Clock, Deployment, Table
from isthmus.request import Channel
from isthmus.storage.adapters.sqlite import SqliteTable
from tests.security.samples import event

NOW_MS = 1_800_000_000_000
OWNER = "did:key:zOwner"
STRANGER = Caller("did", "did:key:zStranger", "owner", "other", ("*",), NOW_MS, MAX_MSAT)

Make = Callable[[Table], dict[str, str]]


@dataclass(frozen=True)
class StoppedClock:
    def now_ms(self) -> int:
        return NOW_MS


@pytest.fixture
def table(tmp_path: Path) -> Iterator[SqliteTable]:
    """The table behind every operation here."""
    table = SqliteTable(tmp_path / "table.sqlite", now_s=lambda: NOW_MS // 1000)
    with wiring.replaced({Table: table, Clock: StoppedClock(), Deployment: Deployment(owner=OWNER)}):
        yield table


def owner(table: Table) -> Caller:
    found = principals.find(table, OWNER, OWNER)
    assert found is not None
    return principals.caller_of(found, NOW_MS)


def a_principal(table: Table) -> dict[str, str]:
    given = Principal("did:key:zAnna", "client", "main", (), 0, 0, 0, NOW_MS, OWNER)
    principals.grant(table, OWNER, given, owner(table))
    return {"did": "did:key:zAnna"}


def a_key(table: Table) -> dict[str, str]:
    wish = Wish("a", "client", ("bitcoin:read",), 90, Limits(0, 0, 0))
    key, _ = api_keys.create(table, OWNER, owner(table), wish, NOW_MS)
    return {"key_id": key.key_id}


def a_watch(table: Table) -> dict[str, str]:
    made = watches.made("main", OWNER, Subject("txid", "ab" * 32), "", NOW_MS)
    table.transact([watches.written(made, None)])
    return {"watch_id": made.watch_id}


NOBODY = {"did": "did:key:zNobody", "key_id": "f" * 16, "watch_id": "watch_" + "f" * 32}
CASES: list[tuple[Operation, Make, dict[str, str]]] = [
    (revoke_access, a_principal, {}),
    (check_access, a_principal, {"operation": "get_block"}),
    (revoke_key, a_key, {}),
    (list_key_usage, a_key, {}),
    (unwatch, a_watch, {}),
]


def answered(operation: Operation, caller: Caller, fields: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = operation(event(Channel.HTTP, operation, caller, fields), None)
    return answer


@pytest.mark.parametrize(("operation", "make", "more"), CASES, ids=lambda one: getattr(one, "name", ""))
def test_not_yours_and_not_there_are_one_answer(
    table: SqliteTable, operation: Operation, make: Make, more: dict[str, str]
) -> None:
    theirs = make(table)
    nobodys = {name: NOBODY[name] for name in theirs}
    not_yours = answered(operation, STRANGER, theirs | more)
    not_there = answered(operation, STRANGER, nobodys | more)

    assert not_yours == not_there
    assert not_yours["statusCode"] == json.loads(not_yours["body"])["status"] == 404
    assert answered(operation, owner(table), theirs | more)["statusCode"] == 200, "it was there all the time"


@pytest.mark.parametrize("did", ["did:key:zAnna", "did:key:zNobody"])
def test_who_may_ask_about_itself_only_learns_nothing_of_others(table: SqliteTable, did: str) -> None:
    a_principal(table)
    client = Caller("did", "did:key:zClient", "client", "main", ("*",), NOW_MS, 0)
    assert answered(check_access, client, {"operation": "get_block", "did": did}) == answered(
        check_access, client, {"operation": "get_block", "did": OWNER}
    )
