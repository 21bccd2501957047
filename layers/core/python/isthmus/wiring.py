"""The one place that builds adapters: lazily, once per process, from the environment."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from isthmus.ports import (
    BitcoinNode,
    Blobs,
    Bus,
    Clock,
    Deployment,
    DidResolver,
    Executions,
    Functions,
    Outbound,
    Sql,
    Table,
    TokenKeys,
    TokenSigner,
)

P = TypeVar("P")

_built: dict[type, Any] = {}


def provide(port: type[P]) -> P:
    """The adapter behind a port."""
    if port not in _built:
        _built[port] = _BUILDERS[port]()
    adapter: P = _built[port]
    return adapter


@contextmanager
def replaced(adapters: Mapping[type, Any]) -> Iterator[None]:
    """Other adapters for a while: how a test or a tool puts its own behind a port."""
    before = dict(_built)
    _built.update(adapters)
    try:
        yield
    finally:
        _built.clear()
        _built.update(before)


def home() -> Path:
    """Where the embedded stores keep their files: `ISTHMUS_HOME`, else `~/.isthmus`."""
    return Path(os.environ.get("ISTHMUS_HOME") or Path.home() / ".isthmus")


def _table() -> Table:
    if name := os.environ.get("ISTHMUS_TABLE"):
        from isthmus.storage.adapters.dynamodb import DynamoDbTable

        return DynamoDbTable(name)
    from isthmus.storage.adapters.sqlite import SqliteTable

    return SqliteTable(home() / "table.sqlite")


def _blobs() -> Blobs:
    if name := os.environ.get("ISTHMUS_BUCKET"):
        from isthmus.storage.adapters.s3 import S3Blobs

        return S3Blobs(name)
    from isthmus.storage.adapters.files import FileBlobs

    return FileBlobs(home() / "blobs")


def _bitcoin() -> BitcoinNode:
    from isthmus.bitcoin.adapters.core import BitcoinCore

    return BitcoinCore.from_environment(os.environ)


def _clock() -> Clock:
    from isthmus.clock import SystemClock

    return SystemClock()


def _executions() -> Executions:
    from isthmus.executions import StepFunctions

    return StepFunctions(os.environ["ISTHMUS_MACHINES"])


def _bus() -> Bus:
    from isthmus.bus import EventBridge

    return EventBridge(os.environ["ISTHMUS_BUS"])


def _functions() -> Functions:
    from isthmus.invoking import LambdaFunctions

    return LambdaFunctions()


def _outbound() -> Outbound:
    from isthmus.outbound.door import Door

    return Door.to_this_machine_too() if os.environ.get("ISTHMUS_OUTBOUND_LOOPBACK") == "1" else Door()


def _sql() -> Sql:
    from isthmus.pipeline.adapters.duckdb import DuckDb

    return DuckDb()


def _deployment() -> Deployment:
    return Deployment(owner=os.environ.get("ISTHMUS_OWNER", ""))


def _resolver() -> DidResolver:
    from isthmus.did.resolver import Resolver

    return Resolver()


def _token_keys() -> Any:
    if arns := os.environ.get("ISTHMUS_TOKEN_KEYS"):
        from isthmus.access.adapters.token_kms import KmsTokenKeys

        return KmsTokenKeys(arns.split(","))
    from isthmus.access.adapters.token_file import FileTokenKeys

    return FileTokenKeys(home() / "token-keys.json", _clock())


_BUILDERS: dict[type, Callable[[], Any]] = {
    Table: _table,
    Blobs: _blobs,
    BitcoinNode: _bitcoin,
    Clock: _clock,
    Deployment: _deployment,
    Executions: _executions,
    Bus: _bus,
    Functions: _functions,
    Outbound: _outbound,
    Sql: _sql,
    DidResolver: _resolver,
    TokenKeys: _token_keys,
    TokenSigner: _token_keys,
}
