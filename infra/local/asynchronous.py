"""Lambda's asynchronous invocations: tried again after a while, and at last told to the function's destination.

Reference: AWS Lambda Developer Guide, "Adding error handling and retries for asynchronous invocation". What waits for
its next attempt waits in memory: it ends with the runtime, and a schedule's next run does the work.
"""

import asyncio
import contextlib
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson

from infra.local.expand import Function
from infra.local.outcome import Outcome
from isthmus.failure import Limited

PAUSES_S = (60.0, 120.0)
"""Before the second attempt and the third, as Lambda does."""

MAX_PENDING = 1_000


class Asynchronous:
    """Runs events that nobody waits for.

    Args:
        functions: the functions, with how often each is tried again and where its failures go.
        invoke: runs one event and returns what came of it.
        pauses_s: the waits between attempts; the last one is repeated if there are more attempts.
    """

    def __init__(
        self,
        functions: Iterable[Function],
        invoke: Callable[[str, bytes], Awaitable[Outcome]],
        pauses_s: tuple[float, ...] = PAUSES_S,
    ) -> None:
        self._functions = {function.id: function for function in functions}
        self._by_name = {function.name: function.id for function in self._functions.values()}
        self._invoke, self._pauses_s = invoke, pauses_s
        self._pending: set[asyncio.Task[None]] = set()

    def start(self, function: str, payload: bytes) -> str:
        """Have a function serve an event soon; the id of the invocation.

        Raises:
            Limited: too many wait.
        """
        if len(self._pending) >= MAX_PENDING:
            raise Limited(f"{MAX_PENDING} events wait already.", next_step="Start it later.", code="local/asynchronous")
        invocation = str(uuid.uuid4())
        self._follow(self._attempts(function, payload, invocation, None))
        return invocation

    async def run(self, function: str, payload: bytes) -> Outcome:
        """What the first attempt gives; if that failed, the others follow without anybody waiting."""
        outcome = await self._invoke(function, payload)
        if outcome.error is not None:
            self._follow(self._attempts(function, payload, str(uuid.uuid4()), outcome))
        return outcome

    async def idle(self) -> None:
        """Wait until nothing waits any more."""
        while self._pending:
            await asyncio.wait(self._pending)

    async def close(self) -> None:
        """Leave what waits undone."""
        for task in list(self._pending):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _follow(self, attempts: Any) -> None:
        task = asyncio.get_running_loop().create_task(attempts)
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _attempts(self, function: str, payload: bytes, invocation: str, first: Outcome | None) -> None:
        outcome = first or await self._invoke(function, payload)
        about = self._functions[function]
        for retry in range(about.retries):
            if outcome.error is None:
                return
            await asyncio.sleep(self._pauses_s[min(retry, len(self._pauses_s) - 1)])
            outcome = await self._invoke(function, payload)
        if outcome.error is None:
            return
        print(f"{about.name} failed for good with {outcome.error}", file=sys.stderr, flush=True)
        destination = self._by_name.get(about.on_failure or "")
        if destination is not None and destination != function:
            self.start(destination, orjson.dumps(_record(about, payload, invocation, outcome)))


def _record(function: Function, payload: bytes, invocation: str, outcome: Outcome) -> dict[str, Any]:
    """What the destination is told: Lambda's invocation record 1.0."""
    return {
        "version": "1.0",
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
        "requestContext": {
            "requestId": invocation,
            "functionArn": f"{function.arn}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": function.retries + 1,
        },
        "requestPayload": orjson.loads(payload),
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": orjson.loads(outcome.payload),
    }
