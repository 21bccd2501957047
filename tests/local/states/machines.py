"""Machines, functions and time for the tests of the engine."""

import asyncio
import copy
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

from infra.local.states import Invoke, TaskError

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"

Functions = Mapping[str, Callable[[Any], Any]]


class FunctionFailedError(Exception):
    """What a function of a test raises; the class is the error name."""


class TransientError(FunctionFailedError):
    """It may work the next time."""


class BrokenError(FunctionFailedError):
    """It will not work."""


def task(function: str, **fields: Any) -> dict[str, Any]:
    """A state that calls a function."""
    return {"Type": "Task", "Resource": ARN + function, **fields}


def chain(**states: dict[str, Any]) -> dict[str, Any]:
    """A machine in which each state leads to the one written after it, unless it says something else."""
    names = list(states)
    for name, following in zip(names, [*names[1:], None], strict=True):
        if not {"Next", "End"} & states[name].keys() and states[name]["Type"] not in ("Choice", "Succeed", "Fail"):
            states[name] |= {"Next": following} if following else {"End": True}
    return {"StartAt": names[0], "States": states}


def alone(kind: str, **fields: Any) -> dict[str, Any]:
    """A machine of one state."""
    return chain(Only={"Type": kind, **fields})


def mapped(processor: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A machine that is one Map over its input's items."""
    return alone("Map", ItemsPath="$.items", ItemProcessor=processor, **fields)


def distributed(processor: dict[str, Any]) -> dict[str, Any]:
    """The processor of a distributed Map."""
    return {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **processor}


def payload_of(failed: FunctionFailedError) -> str:
    """What Lambda answers for an exception of a handler."""
    error = {"errorMessage": str(failed), "errorType": type(failed).__name__, "requestId": "r", "stackTrace": []}
    return json.dumps(error, separators=(",", ":"))


def calling(functions: Functions) -> Invoke:
    """Calls Python functions by the last part of their ARN."""

    async def invoke(arn: str, payload: Any, _timeout_s: float | None) -> Any:
        try:
            answer = functions[arn.rsplit(":", 1)[-1]](copy.deepcopy(payload))
            return await answer if inspect.isawaitable(answer) else answer
        except FunctionFailedError as failed:
            raise TaskError(type(failed).__name__, payload_of(failed)) from failed

    return invoke


class Gate:
    """A function that says when it is called and answers when it is let."""

    def __init__(self) -> None:
        self.entered, self.open = asyncio.Event(), asyncio.Event()
        self.calls = 0

    async def __call__(self, payload: Any) -> Any:
        self.calls += 1
        self.entered.set()
        await self.open.wait()
        return payload


class Time:
    """A clock that only sleeping moves.

    A sleep of so many seconds as are in `endless` never ends; in every other one the machine is suspended `lost_ms`.
    """

    def __init__(self) -> None:
        self.ms = 1_767_225_600_000  # 2026-01-01T00:00:00Z
        self.slept: list[float] = []
        self.endless: set[float] = set()
        self.lost_ms = 0
        self._awaited: list[tuple[float, asyncio.Event]] = []

    def now_ms(self) -> int:
        return self.ms

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        for wanted, event in self._awaited:
            if wanted == seconds:
                event.set()
        if seconds in self.endless:
            await asyncio.Event().wait()
        self.ms += round(seconds * 1000) + self.lost_ms

    async def asked_for(self, seconds: float) -> None:
        """Wait until somebody sleeps for so long."""
        event = asyncio.Event()
        self._awaited.append((seconds, event))
        if seconds not in self.slept:
            await event.wait()


async def eventually(holds: Callable[[], object]) -> None:
    """Wait for what only the disk can tell."""
    while not holds():  # noqa: ASYNC110 - the disk sends no events
        await asyncio.sleep(0.01)
