"""An engine on a journal of its own, in a time of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.local.states import Engine, Event, Execution
from tests.local.states.machines import Functions, Time, calling

Opened = Callable[..., AbstractAsyncContextManager[Engine]]


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def opened(tmp_path: Path, time: Time) -> Opened:
    """`async with opened(functions) as engine`: always the same journal, so that one can be opened after the other."""

    @asynccontextmanager
    async def open_engine(functions: Functions | None = None, **limits: int) -> AsyncIterator[Engine]:
        engine = Engine(tmp_path / "states.db", calling(functions or {}), sleep=time.sleep, clock=time, **limits)
        try:
            yield engine
        finally:
            await engine.close()

    return open_engine


class Runner:
    """Runs one execution after the other, each to its end."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._count = 0
        self.limits: dict[str, int] = {}
        self.history: list[Event] = []

    def __call__(
        self, definition: Mapping[str, Any], payload: Any = None, functions: Functions | None = None
    ) -> Execution:
        return asyncio.run(self._run(definition, {} if payload is None else payload, functions))

    async def _run(self, definition: Mapping[str, Any], payload: Any, functions: Functions | None) -> Execution:
        self._count += 1
        async with self._opened(functions, **self.limits) as engine:
            engine.register("machine", definition)
            await engine.start("machine", f"run-{self._count}", payload)
            ended = await engine.wait("machine", f"run-{self._count}")
            self.history = engine.history("machine", ended.name)
            return ended


@pytest.fixture
def run(opened: Opened) -> Runner:
    """`run(definition, payload, functions)`: the execution that has ended; `run.history` has its events."""
    return Runner(opened)
