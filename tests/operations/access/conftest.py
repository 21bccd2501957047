"""A deployment with an owner at a held time."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from isthmus.access import api_keys, principals
from isthmus.access.caller import Caller
from isthmus.ports import Deployment
from isthmus.storage.adapters.sqlite import SqliteTable

OWNER_DID = "did:key:zOwner"


@dataclass
class HeldClock:
    now: int = 1_800_000_000_000

    def now_ms(self) -> int:
        return self.now


class Site:
    """The stores of a deployment, and its owner as a caller."""

    def __init__(self, folder: Path) -> None:
        self.clock = HeldClock()
        self.table = SqliteTable(folder / "table.sqlite", now_s=lambda: self.clock.now // 1000)
        self.deployment = Deployment(owner=OWNER_DID)
        found = principals.find(self.table, OWNER_DID, OWNER_DID)
        assert found is not None
        self.owner = principals.caller_of(found, self.clock.now)

    def stranger(self, **what: Any) -> Caller:
        """Somebody of another tenant."""
        return replace(self.owner, id="did:key:zStranger", tenant="other", **what)

    def used(self, api_key: str, used_for: str = "GET /v1/things") -> Caller:
        """Who calls with this key now."""
        return api_keys.authenticate(self.table, OWNER_DID, api_key, now_ms=self.clock.now, used_for=used_for)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A deployment where nothing has happened yet."""
    return Site(tmp_path)
